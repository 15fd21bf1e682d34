package flatten

import (
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// The members of an envelope.
const (
	envelopeTable = "table"
	envelopeData  = "data"
)

// envelope reads a body that is {"table":…,"data":…}, in either order. The rows in data stream, whichever comes first.
func (f *Flattener) envelope(to outlet) error {
	if f.in.buf[f.in.pos] != '{' {
		return f.badEnvelope("want an object with the members table and data")
	}
	var table, data bool
	for c := byte(','); c == ','; {
		f.in.pos++
		if b, err := f.next("want a key in quotes"); err == nil && b == '}' && !table && !data {
			break
		}
		name, err := f.member()
		if err != nil {
			return err
		}
		switch {
		case name == envelopeTable && !table:
			table, err = true, f.tableMember()
		case name == envelopeData && !data:
			data, err = true, f.dataMember(table, to)
		case name == envelopeTable || name == envelopeData:
			err = f.badEnvelope("the member " + name + " is there twice")
		default:
			err = f.badEnvelope("only the members table and data are known: name the table in the URL to store such objects as rows")
		}
		if err != nil {
			return err
		}
		if c, err = f.next("want ',' or '}'"); err != nil {
			return err
		}
		if c != ',' && c != '}' {
			return f.invalid(f.in.pos, "want ',' or '}' after a member")
		}
	}
	f.in.pos++
	if !table || !data {
		return f.badEnvelope("the members table and data must both be there")
	}
	return f.last("the envelope")
}

// member reads a key and its colon, and moves to the value.
func (f *Flattener) member() (string, error) {
	if _, err := f.next("want a key in quotes"); err != nil {
		return "", err
	}
	raw, err := f.token("want a key in quotes")
	if err != nil {
		return "", err
	}
	c, err := f.next("want ':' after a key")
	if err == nil && c != ':' {
		err = f.invalid(f.in.pos, "want ':' after a key")
	}
	if err != nil {
		return "", err
	}
	f.in.pos++
	_, err = f.next("want a value")
	return raw, err
}

// token reads the string at hand, which must fit a row, and returns what it means.
func (f *Flattener) token(wanted string) (string, error) {
	if f.in.buf[f.in.pos] != '"' {
		return "", f.invalid(f.in.pos, wanted)
	}
	end, err := f.ahead(func() int { return f.text(f.in.pos + 1) })
	if err != nil {
		return "", err
	}
	raw := f.in.buf[f.in.pos+1 : end-1]
	f.in.pos = end
	return string(unescape(nil, raw)), nil
}

// ahead reads more of the body until parse, which begins at in.pos, finds an end, and returns that.
func (f *Flattener) ahead(parse func() int) (end int, err error) {
	in := &f.in
	for {
		if end = parse(); end >= 0 {
			return end, nil
		}
		switch {
		case f.why.pos < in.end || in.eof:
			return 0, f.failed()
		case in.end-in.pos > f.limits.RowBytes:
			return 0, f.tooLarge()
		}
		if err := in.fill(in.pos); err != nil {
			return 0, err
		}
	}
}

func (f *Flattener) tableMember() error {
	name, err := f.token("want the table's name in quotes")
	if err != nil {
		return err
	}
	t, err := schema.ParseTable(name)
	if err == nil {
		f.name(t)
	}
	return err
}

// dataMember reads the rows. In Multitable they need the table's name, which is looked for when it comes after them.
func (f *Flattener) dataMember(named bool, to outlet) error {
	if f.mode == Multitable && !named {
		if err := f.lookForTable(); err != nil {
			return err
		}
	}
	switch f.in.buf[f.in.pos] {
	case '[':
		return f.elements(to)
	case '{':
		return f.element(to)
	}
	return f.badEnvelope("data must be an object or an array of objects")
}

// lookForTable reads ahead, over the rows at hand, to the table's name.
func (f *Flattener) lookForTable() error {
	var raw []byte
	_, err := f.ahead(func() (pos int) {
		raw, pos = f.tableAfter(f.in.pos)
		return pos
	})
	if fault.Of(err) == fault.TooLarge {
		return f.badEnvelope("in a multitable insert of this size the table must come before data")
	}
	if err == nil && raw == nil {
		err = f.badEnvelope("the members table and data must both be there")
	}
	if err != nil {
		return err
	}
	t, err := schema.ParseTable(string(unescape(nil, raw)))
	if err == nil {
		f.name(t)
	}
	return err
}

// tableAfter finds the inside of the string that is the table's name, in the members after the value at pos.
func (f *Flattener) tableAfter(pos int) (raw []byte, end int) {
	buf := f.in.buf
	for {
		f.scratch = f.scratch[:0]
		if pos = f.compact(pos, 0); pos < 0 {
			return nil, pos
		}
		switch pos = skipSpace(buf, pos); buf[pos] {
		case ',':
		case '}':
			return nil, pos
		default:
			return nil, f.fail(pos, "want ',' or '}' after a member")
		}
		at := skipSpace(buf, pos+1)
		f.scratch = f.scratch[:0]
		if pos = f.compactKey(at); pos < 0 {
			return nil, pos
		}
		if string(unescape(nil, f.scratch[1:len(f.scratch)-2])) != envelopeTable {
			continue
		}
		if buf[pos] != '"' {
			return nil, f.fail(pos, "want the table's name in quotes")
		}
		if end = f.text(pos + 1); end < 0 {
			return nil, end
		}
		return buf[pos+1 : end-1], end
	}
}

func (f *Flattener) badEnvelope(why string) error {
	return fault.New(fault.Invalid, "bad_envelope", `the body must be {"table":…,"data":…} where the request names no table: %s, %s`,
		why, f.at(f.in.pos))
}
