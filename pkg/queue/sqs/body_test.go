package sqs

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestEncode(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"JSON", `{"a":"ü🦆"}`, `{"a":"ü🦆"}`},
		{"lines", "a\tb\r\nc", "a\tb\r\nc"},
		{"empty", "", "base64:"},
		{"a zero byte", "\x00", "base64:AA=="},
		{"not UTF-8", "\xff", "base64:/w=="},
		{"a control character", "\x1b", "base64:Gw=="},
		{"no character", "\ufffe", "base64:77++"},
		{"the marker", "base64:", "base64:YmFzZTY0Og=="},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := encode([]byte(tt.body))
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if back := string(decode(got)); back != tt.body {
				t.Errorf("back: got %q, want %q", back, tt.body)
			}
		})
	}
}

func TestDecodeOfWhatOthersSend(t *testing.T) {
	for _, text := range []string{"", "text", "base64:***", "base64:AA"} {
		if got := string(decode(text)); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
	}
}

func TestMaxBodyFitsWhateverItIs(t *testing.T) {
	random := make([]byte, 4000)
	for i := range random {
		random[i] = byte(rand.Uint32())
	}
	for limit := range 4000 {
		body := random[:maxBody(limit)]
		if got := len(encode(body)); got > max(limit, len(marker)) {
			t.Errorf("limit %d: a body of %d bytes has %d", limit, len(body), got)
		}
	}
	if got, want := maxBody(256<<10), 196_600; got < want {
		t.Errorf("got %d, want about three quarters of the limit", got)
	}
}

func FuzzEncode(f *testing.F) {
	for _, body := range []string{"", "a", "\x00\xff'\"\n", marker, strings.Repeat("é", 100), "\ufffe\uffff\ufffd", "\xed\xa0\x80"} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		text := encode(body)
		if text == "" || !isText([]byte(text)) {
			t.Errorf("%q became %q, which SQS does not take", body, text)
		}
		if back := decode(text); !bytes.Equal(back, body) {
			t.Errorf("%q became %q and came back as %q", body, text, back)
		}
	})
}
