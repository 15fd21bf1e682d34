package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/ClickHouse/ch-go/proto"
)

// clientName is how servers know us.
const clientName = "scratchdata"

// nativeLink speaks the native protocol on one connection.
type nativeLink struct {
	conn    net.Conn
	in      *proto.Reader
	out     proto.Buffer
	version int // of the protocol: the older of both sides'
	packer  *compress.Writer
}

// dialNative greets the server at the other end of conn, which it closes when that fails.
func dialNative(ctx context.Context, conn net.Conn, user, password, database string) (*nativeLink, error) {
	l := &nativeLink{conn: conn, in: proto.NewReader(conn), version: proto.Version, packer: compress.NewWriter(compress.LevelZero, compress.LZ4)}
	stop := l.endWith(ctx)
	defer stop()
	err := l.greet(user, password, database)
	if err != nil {
		l.close()
		return nil, ended(ctx, err)
	}
	return l, nil
}

func (l *nativeLink) greet(user, password, database string) error {
	proto.ClientHello{Name: clientName, Major: 1, ProtocolVersion: proto.Version, Database: database, User: user, Password: password}.Encode(&l.out)
	if err := l.flush(); err != nil {
		return err
	}
	code, err := l.packet()
	if err != nil {
		return err
	}
	switch code {
	case proto.ServerCodeException:
		return l.exception()
	case proto.ServerCodeHello:
	default:
		return fmt.Errorf("the server greets with a packet of kind %d: is this the port of its native protocol?", code)
	}
	var hello proto.ServerHello
	if err := hello.DecodeAware(l.in, l.version); err != nil {
		return fmt.Errorf("read the server's greeting: %w", err)
	}
	l.version = min(l.version, hello.Revision)
	if !proto.FeatureParameters.In(l.version) {
		return tooOld(fmt.Sprintf("%d.%d.%d", hello.Major, hello.Minor, hello.Patch))
	}
	l.out.PutString("") // the quota's key
	return l.flush()
}

// endWith makes reads and writes fail when ctx ends.
func (l *nativeLink) endWith(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() { _ = l.conn.SetDeadline(time.Unix(1, 0)) }) // fails when it is closed
}

func (l *nativeLink) close() { _ = l.conn.Close() } // what was not said by now is not wanted

func (l *nativeLink) flush() error {
	_, err := l.conn.Write(l.out.Buf)
	l.out.Reset()
	return err
}

func (l *nativeLink) do(ctx context.Context, r request) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	stop := l.endWith(ctx)
	defer stop()
	if err := l.send(r); err != nil {
		return ended(ctx, err)
	}
	var err error
	if r.input != nil {
		err = l.insert(r)
	} else {
		err = l.receive(r.output, nil)
	}
	if err != nil && codeOf(err) == 0 {
		l.cancel()
	}
	return ended(ctx, err)
}

// cancel tells the server that nobody waits for the answer. It also sees that when the connection ends, but later.
func (l *nativeLink) cancel() {
	_ = l.conn.SetWriteDeadline(time.Now().Add(time.Second)) // both fail when it has ended already
	_, _ = l.conn.Write([]byte{byte(proto.ClientCodeCancel)})
	l.close()
}

// send sends the statement.
func (l *nativeLink) send(r request) error {
	q := proto.Query{ID: r.id, Body: r.sql, Stage: proto.StageComplete, Compression: proto.CompressionEnabled, Info: proto.ClientInfo{
		ProtocolVersion: l.version, Major: 1, Interface: proto.InterfaceTCP, Query: proto.ClientQueryInitial, ClientName: clientName,
		InitialQueryID: r.id, InitialAddress: l.conn.LocalAddr().String()}}
	for _, s := range r.settings {
		q.Settings = append(q.Settings, proto.Setting{Key: s.name, Value: s.value, Important: true})
	}
	for _, p := range r.params {
		q.Parameters = append(q.Parameters, proto.Parameter{Key: p.name, Value: literal(p.value)})
	}
	q.EncodeAware(&l.out, l.version)
	l.putBlock(&block{}) // no more tables beside the statement
	return l.flush()
}

// putBlock puts a packet with rows into the buffer.
func (l *nativeLink) putBlock(k *block) {
	proto.ClientCodeData.Encode(&l.out)
	proto.ClientData{}.EncodeAware(&l.out, l.version)
	from := len(l.out.Buf)
	k.encode(&l.out, l.version)
	if err := l.packer.Compress(l.out.Buf[from:]); err != nil {
		panic(fmt.Sprintf("compress a block of %d bytes: %v", len(l.out.Buf)-from, err)) // the buffer is always large enough
	}
	l.out.Buf = append(l.out.Buf[:from], l.packer.Data...)
}

var errEarly = errors.New("the server ends an INSERT before its rows")

// insert sends the rows of r and waits for the server's word that it has them. What the server says meanwhile is read at
// the same time: else it could wait for us to read it, and we for it to read rows.
func (l *nativeLink) insert(r request) error {
	begun := make(chan struct{}) // the server says which columns it expects
	said := make(chan error, 1)
	go func() {
		said <- l.receive(forget, begun)
	}()
	select {
	case <-begun:
	case err := <-said:
		return errors.Join(err, errEarly)
	}
	if err := l.sendRows(r.input, said); err != nil {
		return err
	}
	return <-said
}

// sendRows sends blocks until there is no more. When input fails the connection is closed without a word: the server must
// not take what it has for all. It returns what the server said in between, if that was an error.
func (l *nativeLink) sendRows(input func() (*block, error), said chan error) error {
	for {
		select {
		case err := <-said:
			l.close()
			return errors.Join(err, errEarly)
		default:
		}
		k, err := input()
		if err == nil {
			if k == nil {
				k = &block{}
			}
			l.putBlock(k)
			err = l.flush()
		}
		if err != nil {
			l.close()
			if server := <-said; codeOf(server) != 0 {
				return server
			}
			return err
		}
		if k.rows == 0 {
			return nil
		}
	}
}

func (l *nativeLink) packet() (proto.ServerCode, error) {
	n, err := l.in.UVarInt()
	return proto.ServerCode(n), err
}

func (l *nativeLink) exception() error {
	var e proto.Exception
	if err := e.DecodeAware(l.in, l.version); err != nil {
		return fmt.Errorf("read what the server says is wrong: %w", err)
	}
	return newServerError(int(e.Code), e.Message)
}

// receive reads packets up to the end of the answer. It closes begun, if there is one, with the first block.
func (l *nativeLink) receive(output func(*answer) error, begun chan struct{}) error {
	a := &answer{}
	for {
		code, err := l.packet()
		if err != nil {
			return fmt.Errorf("read from the server: %w", err)
		}
		switch code {
		case proto.ServerCodeData:
			if err := l.readBlock(a, true); err != nil {
				return err
			}
			if begun != nil {
				close(begun)
				begun = nil
			} else if output != nil && len(a.cols) > 0 {
				err = output(a)
			}
		case proto.ServerCodeTotals, proto.ServerCodeExtremes: // not rows of the answer
			err = l.readBlock(&answer{}, true)
		case proto.ServerCodeEndOfStream:
			return nil
		default:
			err = l.aside(code)
		}
		if err != nil {
			return err
		}
	}
}

// aside reads a packet that has nothing of the answer.
func (l *nativeLink) aside(code proto.ServerCode) error {
	switch code {
	case proto.ServerCodeException:
		return l.exception()
	case proto.ServerCodeProgress:
		return new(proto.Progress).DecodeAware(l.in, l.version)
	case proto.ServerCodeProfile:
		return new(proto.Profile).DecodeAware(l.in, l.version)
	case proto.ServerCodeTableColumns:
		return new(proto.TableColumns).DecodeAware(l.in, l.version)
	case proto.ServerProfileEvents, proto.ServerCodeLog:
		return l.readBlock(&answer{}, false)
	}
	return fmt.Errorf("the server sends a packet of kind %d, which is not known", code)
}

func (l *nativeLink) readBlock(a *answer, packed bool) error {
	if _, err := l.in.Str(); err != nil { // a table's name, which answers have not
		return fmt.Errorf("read a block: %w", err)
	}
	if packed {
		l.in.EnableCompression()
		defer l.in.DisableCompression()
	}
	if err := a.read(l.in, l.version); err != nil {
		return fmt.Errorf("read a block: %w", err)
	}
	return nil
}
