package flatten

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/scratchdata/scratchdata/pkg/schema"
)

// modes flattens a request the slow and simple way in any mode.
type modes struct {
	limits Limits
	mode   Mode
	root   *refTable
	parts  []*refTable // in the order in which the Flattener meets them
	ids    int
	told   []string // the ids of the rows
	out    strings.Builder
}

// refTable is what the reference knows of a table.
type refTable struct {
	reference
	table schema.Table
	start string // of its rows
	rows  int
}

func newModes(l Limits, mode Mode, table schema.Table) *modes {
	root := &refTable{reference: newReference(l), table: table, start: "{"}
	return &modes{limits: l, mode: mode, root: root}
}

// id makes the next fresh id. It looks like a ULID.
func (m *modes) id() string {
	m.ids++
	return fmt.Sprintf("0ZYX%022d", m.ids)
}

// body flattens the rows of a body.
func (m *modes) body(rows []json.RawMessage) error {
	for _, row := range rows {
		if err := m.row(row); err != nil {
			return err
		}
	}
	return nil
}

func (m *modes) row(raw []byte) error {
	switch m.mode {
	case Vertical:
		return m.vertical(raw)
	case Multitable:
		if err := m.declare(raw); err != nil {
			return err
		}
		return m.scatter(raw, m.root, refLink{})
	}
	var r refRow
	if m.mode == None {
		for _, mem := range members(raw) {
			m.root.add(&r, entry{name: mem.name, raw: mem.raw, top: true})
		}
	} else {
		m.root.nest(&r, "", raw)
	}
	m.write(m.root, r, m.id())
	return nil
}

func (m *modes) write(t *refTable, r refRow, fresh string) {
	line := t.line(r, t.start, fresh)
	m.out.WriteString(line)
	t.rows++
	var head struct {
		ID string `json:"__row_id"`
	}
	_ = json.Unmarshal([]byte(line), &head)
	m.told = append(m.told, head.ID)
}

// vertical writes one row for each of the ways to choose an element of each array.
func (m *modes) vertical(raw []byte) error {
	if ways(raw, true, m.limits.Rows+1) > m.limits.Rows {
		return errReference
	}
	doc := entry{name: "___document_id", raw: `"` + m.id() + `"`, ours: true}
	for _, entries := range expand(entry{raw: string(raw), top: true}, 0) {
		fresh := m.id()
		var r refRow
		for _, e := range append([]entry{doc}, entries...) {
			m.root.add(&r, e)
		}
		m.write(m.root, r, fresh)
	}
	return nil
}

// ways counts the rows that a value becomes, up to most. root says that it is the row's own object.
func ways(raw []byte, root bool, most int) int {
	if !nested(string(raw)) {
		return 1
	}
	product, sum := 1, 0
	all := members(raw)
	for _, mem := range all {
		n := 1
		if !root || !reserved([]byte(mem.name)) {
			n = ways([]byte(mem.raw), false, most)
		}
		product, sum = min(product*n, most), min(sum+n, most)
	}
	if raw[0] == '{' || len(all) == 0 {
		return product
	}
	return sum
}

// expand lists what each of a value's rows gets. level is how many arrays are around it without a key between. The top
// value is the row's own object; its members are the only ones whose names may be ours.
func expand(v entry, level int) [][]entry {
	all := members([]byte(v.raw))
	if v.raw[0] == '[' {
		if len(all) == 0 {
			return [][]entry{{{name: v.name, raw: "null", empty: true}}}
		}
		var rows [][]entry
		for i, mem := range all {
			position := entry{name: orderName(v.name, level), raw: strconv.Itoa(i), ours: true}
			for _, entries := range expandIfNested(entry{name: v.name, raw: mem.raw}, level+1) {
				rows = append(rows, append([]entry{position}, entries...))
			}
		}
		return rows
	}
	rows := [][]entry{nil}
	for _, mem := range all {
		name := mem.name
		if !v.top {
			name = v.name + "_" + mem.name
		}
		choices := [][]entry{{{name: name, raw: mem.raw, top: v.top}}}
		if !v.top || !reserved([]byte(name)) {
			choices = expandIfNested(choices[0][0], 0)
		}
		rows = product(rows, choices)
	}
	return rows
}

func expandIfNested(v entry, level int) [][]entry {
	if !nested(v.raw) {
		return [][]entry{{v}}
	}
	v.top = false
	return expand(v, level)
}

// product gives each of a followed by each of b; b changes fastest.
func product(a, b [][]entry) (all [][]entry) {
	for _, first := range a {
		for _, second := range b {
			all = append(all, slices.Concat(first, second))
		}
	}
	return all
}

func orderName(path string, level int) string {
	if level == 0 {
		return "__order_" + path
	}
	return fmt.Sprintf("__order_%s_%d", path, level+1)
}

// table gives the table of the rows of a key.
func (m *modes) table(key string) (*refTable, error) {
	name := schema.TableOfKey(m.root.table.Qualifier(), key)
	if name == m.root.table {
		return m.root, nil
	}
	for _, t := range m.parts {
		if t.table == name {
			return t, nil
		}
	}
	if len(m.parts) == m.limits.Tables {
		return nil, errReference
	}
	t := &refTable{reference: newReference(m.limits), table: name, start: `{"__table":"` + name.String() + `",`}
	m.parts = append(m.parts, t)
	return t, nil
}

// declare meets the tables of all objects in an object, which come before those of arrays that have none.
func (m *modes) declare(raw []byte) error {
	for _, mem := range members(raw) {
		if nested(mem.raw) && !reserved([]byte(mem.name)) {
			if err := m.declareValue(mem.name, mem.raw); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *modes) declareValue(key, raw string) error {
	switch raw[0] {
	case '{':
		if _, err := m.table(key); err != nil {
			return err
		}
		return m.declare([]byte(raw))
	case '[':
		for _, element := range members([]byte(raw)) {
			if err := m.declareValue(key, element.raw); err != nil {
				return err
			}
		}
	}
	return nil
}

// refLink is how a row's children point to it.
type refLink struct{ column, value string }

// scatter writes an object's row, and then its children's in the order of the document.
func (m *modes) scatter(raw []byte, t *refTable, up refLink) error {
	all := members(raw)
	var own string
	for _, mem := range all {
		if mem.name == "id" && !nested(mem.raw) {
			own = mem.raw
		}
	}
	r, me, fresh, err := m.child(t, own, up)
	if err != nil {
		return err
	}
	for _, mem := range all {
		if !nested(mem.raw) || reserved([]byte(mem.name)) {
			t.add(&r, entry{name: mem.name, raw: mem.raw, top: true})
		}
	}
	m.write(t, r, fresh)
	for _, mem := range all {
		if !nested(mem.raw) || reserved([]byte(mem.name)) || mem.raw[0] == '[' && len(members([]byte(mem.raw))) == 0 {
			continue
		}
		if err := m.scatterMember(mem, me); err != nil {
			return err
		}
	}
	return nil
}

func (m *modes) scatterMember(mem member, me refLink) error {
	t, err := m.table(mem.name)
	if err != nil {
		return err
	}
	if mem.raw[0] == '{' {
		return m.scatter([]byte(mem.raw), t, me)
	}
	return m.scatterArray(mem, t, me)
}

func (m *modes) scatterArray(array member, t *refTable, up refLink) error {
	for _, element := range members([]byte(array.raw)) {
		if element.raw[0] == '{' {
			if err := m.scatter([]byte(element.raw), t, up); err != nil {
				return err
			}
			continue
		}
		r, me, fresh, err := m.child(t, "", up)
		if err != nil {
			return err
		}
		if element.raw[0] == '[' {
			m.write(t, r, fresh)
			if err := m.scatterArray(member{array.name, element.raw}, t, me); err != nil {
				return err
			}
			continue
		}
		t.add(&r, entry{name: array.name, raw: element.raw, top: true})
		m.write(t, r, fresh)
	}
	return nil
}

// child begins a row, with an id unless it has its own, and with the link to the row that it belongs to.
func (m *modes) child(t *refTable, own string, up refLink) (r refRow, me refLink, fresh string, err error) {
	fresh = m.id()
	me = refLink{t.table.Name() + "_id", own}
	if reserved([]byte(me.column)) {
		me.column += "_"
	}
	if own == "" || own == "null" {
		me.value = `"` + fresh + `"`
		t.add(&r, entry{name: "id", raw: me.value, ours: true})
	}
	if up.column != "" {
		t.add(&r, entry{name: up.column, raw: up.value, ours: true})
	}
	return r, me, fresh, nil
}
