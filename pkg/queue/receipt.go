package queue

import (
	"strconv"
	"strings"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// Receipt makes a receipt of a message's id and of which delivery it is, for drivers whose own handles do not tell one
// delivery from the next: so a receiver whose lease has ended cannot hide a message that another holds.
func Receipt(id string, attempt int) string { return strconv.Itoa(attempt) + ":" + id }

// ParseReceipt reads what Receipt made.
func ParseReceipt(receipt string) (id string, attempt int, err error) {
	a, id, ok := strings.Cut(receipt, ":")
	attempt, err = strconv.Atoi(a)
	if !ok || err != nil || id == "" {
		return "", 0, fault.New(fault.Invalid, "bad_message_receipt", "%.60q is not a message's receipt", receipt)
	}
	return id, attempt, nil
}
