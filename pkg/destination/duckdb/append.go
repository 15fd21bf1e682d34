package duckdb

import (
	"runtime"
	"unsafe"

	"github.com/duckdb/duckdb-go/v2/mapping"

	"github.com/scratchdata/scratchdata/pkg/ndjson"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// flushBytes is how much an appender holds before the table gets it.
const flushBytes = 8 << 20

// appender appends batches to one table: each column is written straight into the memory of the engine's chunk.
type appender struct {
	app   mapping.Appender
	chunk mapping.DataChunk
	puts  []put
	held  int // bytes since the last flush, about
	pin   runtime.Pinner
}

// put writes the first n values of v to a chunk's vector at dst.
type put func(dst unsafe.Pointer, v *vector.Vector, n int)

// newAppender appends to the named columns of a table, which take cols.
func newAppender(w *conn, catalog, schemaName, table string, names []string, cols []schema.Column) (*appender, error) {
	a := &appender{}
	if mapping.AppenderCreateExt(w.link, catalog, schemaName, table, &a.app) == mapping.StateError {
		return nil, a.fail()
	}
	for _, name := range names {
		if mapping.AppenderAddColumn(a.app, name) == mapping.StateError {
			return nil, a.fail()
		}
	}
	types := make([]mapping.LogicalType, len(cols))
	for i, c := range cols {
		id, put := storeOf(c)
		types[i] = mapping.CreateLogicalType(id)
		a.puts = append(a.puts, put)
	}
	a.chunk = mapping.CreateDataChunk(types)
	for i := range types {
		mapping.DestroyLogicalType(&types[i])
	}
	return a, nil
}

// fail takes the appender's error and frees the appender.
func (a *appender) fail() error {
	err := a.error()
	mapping.AppenderClear(a.app)
	mapping.AppenderDestroy(&a.app)
	return err
}

// append appends b's rows. The engine copies them before it returns.
func (a *appender) append(b *ndjson.Batch) error {
	mapping.DataChunkReset(a.chunk)
	defer a.pin.Unpin()
	for _, buf := range b.Buffers() {
		if len(buf) > 0 {
			a.pin.Pin(&buf[0])
			a.held += len(buf)
		}
	}
	for i, put := range a.puts {
		vec, v := mapping.DataChunkGetVector(a.chunk, mapping.IdxT(i)), b.Cols[i]
		if putValidity(vec, v, b.Rows) {
			put(mapping.VectorGetData(vec), v, b.Rows)
		}
	}
	a.held += b.Rows * len(a.puts) * textSize
	mapping.DataChunkSetSize(a.chunk, mapping.IdxT(b.Rows))
	if mapping.AppendDataChunk(a.app, a.chunk) == mapping.StateError {
		return a.error()
	}
	if a.held < flushBytes {
		return nil
	}
	a.held = 0
	if mapping.AppenderFlush(a.app) == mapping.StateError {
		return a.error()
	}
	return nil
}

func (a *appender) error() error {
	data := mapping.AppenderErrorData(a.app)
	defer mapping.DestroyErrorData(&data)
	return typedError(mapping.ErrorDataErrorType(data), mapping.ErrorDataMessage(data))
}

// close gives the table what the appender holds, or forgets that when the rows are not wanted, and frees the appender.
func (a *appender) close(wanted bool) (err error) {
	if wanted {
		if mapping.AppenderClose(a.app) == mapping.StateError {
			err = a.error()
		}
	}
	if !wanted || err != nil {
		mapping.AppenderClear(a.app)
	}
	mapping.AppenderDestroy(&a.app)
	mapping.DestroyDataChunk(&a.chunk)
	return err
}

// putValidity marks v's NULLs in vec, and reports whether v has any value.
func putValidity(vec mapping.Vector, v *vector.Vector, n int) bool {
	none := v.Type.Kind == vector.Null
	if !none && v.Valid == nil {
		return true // a chunk that was reset has no NULLs
	}
	mapping.VectorEnsureValidityWritable(vec)
	mask := unsafe.Slice((*uint64)(mapping.VectorGetValidity(vec)), (n+63)/64)
	if none {
		clear(mask)
		return false
	}
	copy(mask, v.Valid)
	return true
}

// storeOf gives the engine's type for the values that a column takes, and how they are written.
func storeOf(c schema.Column) (mapping.Type, put) {
	switch c.Kind {
	case schema.Bool:
		return mapping.TypeBoolean, putBools
	case schema.Int:
		return storeOfInt(c)
	case schema.Float:
		if c.Bits == 32 {
			return mapping.TypeFloat, putFloat32s
		}
		return mapping.TypeDouble, putFloats
	case schema.Timestamp:
		if c.Zoneless {
			return mapping.TypeTimestamp, putInts
		}
		return mapping.TypeTimestampTZ, putInts
	case schema.Date:
		return mapping.TypeDate, putNarrow[int32]
	default:
		return mapping.TypeVarchar, putTexts
	}
}

func storeOfInt(c schema.Column) (mapping.Type, put) {
	switch {
	case c.Bits == 8 && c.Unsigned:
		return mapping.TypeUTinyInt, putNarrow[uint8]
	case c.Bits == 16 && c.Unsigned:
		return mapping.TypeUSmallInt, putNarrow[uint16]
	case c.Bits == 32 && c.Unsigned:
		return mapping.TypeUInteger, putNarrow[uint32]
	case c.Unsigned:
		return mapping.TypeUBigInt, putUints
	case c.Bits == 8:
		return mapping.TypeTinyInt, putNarrow[int8]
	case c.Bits == 16:
		return mapping.TypeSmallInt, putNarrow[int16]
	case c.Bits == 32:
		return mapping.TypeInteger, putNarrow[int32]
	default:
		return mapping.TypeBigInt, putInts
	}
}

func putBools(dst unsafe.Pointer, v *vector.Vector, n int) {
	copy(unsafe.Slice((*bool)(dst), n), v.Bools)
}

func putInts(dst unsafe.Pointer, v *vector.Vector, n int) {
	copy(unsafe.Slice((*int64)(dst), n), v.Ints)
}

func putUints(dst unsafe.Pointer, v *vector.Vector, n int) {
	copy(unsafe.Slice((*uint64)(dst), n), v.Uints)
}

func putFloats(dst unsafe.Pointer, v *vector.Vector, n int) {
	copy(unsafe.Slice((*float64)(dst), n), v.Floats)
}

func putFloat32s(dst unsafe.Pointer, v *vector.Vector, n int) {
	to := unsafe.Slice((*float32)(dst), n)
	for i, x := range v.Floats[:n] {
		to[i] = float32(x)
	}
}

// putNarrow writes integers that the decoder has checked to fit.
func putNarrow[T int8 | int16 | int32 | uint8 | uint16 | uint32](dst unsafe.Pointer, v *vector.Vector, n int) {
	to := unsafe.Slice((*T)(dst), n)
	for i, x := range v.Ints[:n] {
		to[i] = T(x)
	}
}

// inlined is the engine's string_t of a short text, longer that of one that stays where it is: see fillTexts.
type (
	inlined struct {
		size uint32
		text [textInline]byte
	}
	longer struct {
		size   uint32
		prefix [4]byte
		at     uintptr // pinned memory of ours, which the engine only reads until the chunk is appended
	}
)

// putTexts points the engine at texts where they are.
func putTexts(dst unsafe.Pointer, v *vector.Vector, n int) {
	to := unsafe.Slice((*inlined)(dst), n)
	for i, s := range v.Texts[:n] {
		t := &to[i]
		if len(s) <= textInline {
			t.size, t.text = uint32(len(s)), [textInline]byte{}
			copy(t.text[:], s)
			continue
		}
		l := (*longer)(unsafe.Pointer(t))
		l.size = uint32(len(s))
		copy(l.prefix[:], s)
		l.at = uintptr(unsafe.Pointer(unsafe.StringData(s)))
	}
}
