package clickhouse

import (
	"encoding/binary"
	"math"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"unsafe"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/scratchdata/scratchdata/pkg/vector"
)

// The functions that read values. They are little-endian on the way, as on nearly every machine; where the machine keeps
// them just so, no byte is moved twice.

func readNothing(c *columnReader, in *proto.Reader, n int) error {
	_, err := c.bytes(in, n, 1)
	return err
}

func readBools(c *columnReader, in *proto.Reader, n int) error {
	raw, err := c.bytes(in, n, 1)
	c.bools = resize(c.bools, n)
	for i := range c.bools {
		c.bools[i] = raw[i] != 0
	}
	c.vec.Bools = c.bools
	return err
}

// readInts reads integers of T.
func readInts[T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32](c *columnReader, in *proto.Reader, n int) error {
	var zero T
	raw, err := c.bytes(in, n, int(unsafe.Sizeof(zero)))
	if err != nil {
		return err
	}
	c.ints = resize(c.ints, n)
	decodeInts[T](c.ints, raw)
	c.vec.Ints = c.ints
	return nil
}

func decodeInts[T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32](to []int64, raw []byte) {
	var zero T
	switch unsafe.Sizeof(zero) {
	case 1:
		for i := range to {
			to[i] = int64(T(raw[i]))
		}
	case 2:
		for i := range to {
			to[i] = int64(T(binary.LittleEndian.Uint16(raw[2*i:])))
		}
	case 4:
		for i := range to {
			to[i] = int64(T(binary.LittleEndian.Uint32(raw[4*i:])))
		}
	default:
		for i := range to {
			to[i] = int64(binary.LittleEndian.Uint64(raw[8*i:]))
		}
	}
}

func readUints(c *columnReader, in *proto.Reader, n int) error {
	raw, err := c.bytes(in, n, 8)
	if err != nil {
		return err
	}
	c.uints = resize(c.uints, n)
	for i := range c.uints {
		c.uints[i] = binary.LittleEndian.Uint64(raw[8*i:])
	}
	c.vec.Uints = c.uints
	return nil
}

// readTimes reads timestamps and makes them of the vector's unit.
func readTimes(c *columnReader, in *proto.Reader, n int) error {
	if err := readInts[int64](c, in, n); err != nil {
		return err
	}
	if c.scale > 1 {
		for i := range c.ints {
			c.ints[i] *= c.scale
		}
	}
	return nil
}

func readFloats(c *columnReader, in *proto.Reader, n int) error {
	raw, err := c.bytes(in, n, c.width)
	if err != nil {
		return err
	}
	c.floats = resize(c.floats, n)
	for i := range c.floats {
		switch c.width {
		case 2: // BFloat16: the upper half of a float
			c.floats[i] = float64(math.Float32frombits(uint32(binary.LittleEndian.Uint16(raw[2*i:])) << 16))
		case 4:
			c.floats[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])))
		default:
			c.floats[i] = math.Float64frombits(binary.LittleEndian.Uint64(raw[8*i:]))
		}
	}
	c.vec.Floats = c.floats
	return nil
}

func readWides(c *columnReader, in *proto.Reader, n int) error {
	raw, err := c.bytes(in, n, 16)
	if err != nil {
		return err
	}
	c.wides = resize(c.wides, n)
	for i := range c.wides {
		c.wides[i] = vector.Wide{Lo: binary.LittleEndian.Uint64(raw[16*i:]), Hi: int64(binary.LittleEndian.Uint64(raw[16*i+8:]))}
	}
	c.vec.Wides = c.wides
	return nil
}

// readUUIDs reads what comes with its upper half first.
func readUUIDs(c *columnReader, in *proto.Reader, n int) error {
	if err := readWides(c, in, n); err != nil {
		return err
	}
	for i, w := range c.wides {
		c.wides[i] = vector.Wide{Lo: uint64(w.Hi), Hi: int64(w.Lo)}
	}
	return nil
}

// readTexts reads texts into one piece of memory.
func readTexts(c *columnReader, in *proto.Reader, n int) (err error) {
	c.raw, c.at = c.raw[:0], resize(c.at, n)
	for i := range c.at {
		if c.raw, err = in.StrAppend(c.raw); err != nil {
			return err
		}
		c.at[i] = len(c.raw)
	}
	c.showTexts(n)
	return nil
}

// showTexts makes the texts of raw, which end where at says.
func (c *columnReader) showTexts(n int) {
	c.texts = resize(c.texts, n)
	from := 0
	for i, to := range c.at {
		c.texts[i] = view(c.raw[from:to])
		from = to
	}
	c.vec.Texts = c.texts
}

// view makes a string of bytes that stay as they are while it is used.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func readFixedTexts(c *columnReader, in *proto.Reader, n int) error {
	raw, err := c.bytes(in, n, c.width)
	if err != nil {
		return err
	}
	c.texts = resize(c.texts, n)
	for i := range c.texts {
		c.texts[i] = view(raw[i*c.width : (i+1)*c.width])
	}
	c.vec.Texts = c.texts
	return nil
}

// readPrinted reads values that package vector has as texts alone.
func readPrinted(print func(dst, value []byte) []byte) func(c *columnReader, in *proto.Reader, n int) error {
	return func(c *columnReader, in *proto.Reader, n int) error {
		values := make([]byte, n*c.width)
		if err := in.ReadFull(values); err != nil {
			return err
		}
		c.raw, c.at = c.raw[:0], resize(c.at, n)
		for i := range c.at {
			c.raw = print(c.raw, values[i*c.width:(i+1)*c.width])
			c.at[i] = len(c.raw)
		}
		c.showTexts(n)
		return nil
	}
}

func printIPv4(dst, value []byte) []byte {
	return netip.AddrFrom4([4]byte{value[3], value[2], value[1], value[0]}).AppendTo(dst)
}

func printIPv6(dst, value []byte) []byte {
	return netip.AddrFrom16([16]byte(value)).AppendTo(dst)
}

// printWide prints an integer of any width, with a point before its last digits.
func printWide(signed bool, scale int) func(dst, value []byte) []byte {
	return func(dst, value []byte) []byte {
		digits := slices.Clone(value)
		slices.Reverse(digits)
		n := new(big.Int).SetBytes(digits)
		if signed && digits[0]&0x80 != 0 {
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(value))))
		}
		text := n.Text(10)
		if scale == 0 {
			return append(dst, text...)
		}
		if text, dst = strings.TrimPrefix(text, "-"), sign(dst, n); len(text) <= scale {
			text = strings.Repeat("0", scale+1-len(text)) + text
		}
		return append(append(append(dst, text[:len(text)-scale]...), '.'), text[len(text)-scale:]...)
	}
}

func sign(dst []byte, n *big.Int) []byte {
	if n.Sign() < 0 {
		return append(dst, '-')
	}
	return dst
}

// readWords reads the numbers of an Enum's words.
func readWords(c *columnReader, in *proto.Reader, n int) error {
	raw, err := c.bytes(in, n, c.width)
	if err != nil {
		return err
	}
	c.texts = resize(c.texts, n)
	for i := range c.texts {
		number := int(int8(raw[i*c.width]))
		if c.width == 2 {
			number = int(int16(binary.LittleEndian.Uint16(raw[2*i:])))
		}
		c.texts[i] = c.words[number]
	}
	c.vec.Texts = c.texts
	return nil
}

// readLists reads where each row's elements end, and then the elements of all.
func readLists(c *columnReader, in *proto.Reader, n int) error {
	raw, err := c.bytes(in, n, 8)
	if err != nil {
		return err
	}
	c.spans = resize(c.spans, n)
	from := uint64(0)
	for i := range c.spans {
		to := binary.LittleEndian.Uint64(raw[8*i:])
		if to < from || to > 1<<30 {
			return errBadLists
		}
		c.spans[i] = vector.Span{Offset: from, Length: to - from}
		from = to
	}
	c.vec.Spans = c.spans
	return c.elem.readRows(in, int(from))
}

func readFields(c *columnReader, in *proto.Reader, n int) error {
	for _, f := range c.fields {
		if err := f.readRows(in, n); err != nil {
			return err
		}
	}
	return nil
}
