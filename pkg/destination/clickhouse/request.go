package clickhouse

import "github.com/ClickHouse/ch-go/proto"

// request is one statement on its way to the server.
type request struct {
	sql      string
	id       string // of the query, by which it can be killed; the server makes one when it is empty
	settings []setting
	params   []param
	// input gives the next block of an INSERT, which it may use again with the next call; nil after the last. An error ends
	// the INSERT without a row. No input at all is nil.
	input func() (*block, error)
	// output takes the answer, block by block, the first of which may have no rows. nil forgets it.
	output func(*answer) error
}

// setting is one of the server's, for one statement.
type setting struct{ name, value string }

// param is the value of a {name:Type} in a statement, as the text that the server reads in that type.
type param struct{ name, value string }

// block is rows on their way to the server.
type block struct {
	rows int
	cols []inColumn
}

// inColumn is a column of a block.
type inColumn struct {
	name, typ string
	encode    func(b *proto.Buffer)
}

// encode appends the block as the server reads it: at protocol version 0 what FORMAT Native has.
func (k *block) encode(b *proto.Buffer, version int) {
	if proto.FeatureBlockInfo.In(version) {
		proto.BlockInfo{BucketNum: -1}.Encode(b)
	}
	b.PutInt(len(k.cols))
	b.PutInt(k.rows)
	for _, c := range k.cols {
		b.PutString(c.name)
		b.PutString(c.typ)
		if proto.FeatureCustomSerialization.In(version) {
			b.PutBool(false)
		}
		if k.rows > 0 {
			c.encode(b)
		}
	}
}
