package transport

import "github.com/scratchdata/scratchdata/pkg/transport/transporttest"

type (
	scripted = transporttest.Fault
	script   = transporttest.Script
)

var (
	newScript   = transporttest.NewScript
	errScripted = transporttest.ErrScripted
)

// The operations that the tests let fail.
const (
	opPut        = transporttest.OpPut
	opGet        = transporttest.OpGet
	opDeleteBlob = transporttest.OpDeleteBlob
	opSend       = transporttest.OpSend
	opReceive    = transporttest.OpReceive
	opHide       = transporttest.OpHide
	opDelete     = transporttest.OpDelete
	opShipped    = transporttest.OpShipped
	opAttempt    = transporttest.OpAttempt
	opSettle     = transporttest.OpSettle
	opRevive     = transporttest.OpRevive
	opForget     = transporttest.OpForget
	opNote       = transporttest.OpNote
	opRemember   = transporttest.OpRemember
	opLoad       = transporttest.OpLoad
	opDone       = "remove the file"
)
