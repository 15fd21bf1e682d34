package rig

import (
	"bytes"
	"fmt"
)

// AppendEvent appends the nested event number i as one line of about 150 bytes.
func AppendEvent(b []byte, i int) []byte {
	names := [...]string{"Ann Lee", "Bob Stone", "Charlie Parker", "Dorothy Vaughan", "Eve", "Frank Zappa", "Grace Hopper"}
	plans := [...]string{"pro", "free", "team"}
	types := [...]string{"click", "view", "purchase"}
	return fmt.Appendf(b, `{"id":%d,"ts":"2026-%02d-%02dT%02d:%02d:%02dZ","user":{"id":%d,"name":"%s","plan":"%s"},"type":"%s","value":%.2f,"ok":%t,"tags":["t%d"]}`+"\n",
		i, i%12+1, i%28+1, i%24, i%60, i*7%60, i*7919%1000003, names[i%7], plans[i%3], types[i*31%3], float64(i*31%100000)/7, i&1 == 1, i%50)
}

// AppendClash appends event number i with a value that a column of numbers cannot hold.
func AppendClash(b []byte, i int) []byte {
	from := len(b)
	b = AppendEvent(b, i)
	at := from + bytes.Index(b[from:], []byte(`"value":`)) + len(`"value":`)
	end := at + bytes.IndexByte(b[at:], ',')
	return append(append(b[:at:at], `"n/a"`...), b[end:]...)
}
