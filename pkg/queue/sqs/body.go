package sqs

import (
	"bytes"
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// marker begins the text of a body that is not text, or begins so itself.
const marker = "base64:"

// encode gives the text that stands for a body in SQS, which knows no empty messages and not every character.
func encode(body []byte) string {
	if len(body) > 0 && isText(body) && !bytes.HasPrefix(body, []byte(marker)) {
		return string(body)
	}
	return marker + base64.StdEncoding.EncodeToString(body)
}

// decode gives the body that text stands for. What somebody else has sent is taken as it is.
func decode(text string) []byte {
	coded, ok := strings.CutPrefix(text, marker)
	if !ok {
		return []byte(text)
	}
	body, err := base64.StdEncoding.DecodeString(coded)
	if err != nil {
		return []byte(text)
	}
	return body
}

// isText reports whether SQS knows all of the characters.
func isText(body []byte) bool {
	if !utf8.Valid(body) {
		return false
	}
	return bytes.IndexFunc(body, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == '\ufffe' || r == '\uffff'
	}) < 0
}

// maxBody is how long a body may be, whatever is in it, for its text to be no longer than limit.
func maxBody(limit int) int { return max(0, (limit-len(marker))/4*3) }
