// Package account knows the API keys and what each may do.
package account

import (
	"crypto/sha256"
	"encoding/hex"
	"sync/atomic"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/secret"
)

// Grant is what a key allows.
type Grant struct {
	KeyID       string // the first 8 hex digits of the key's SHA-256: names the key in logs without telling it
	Destination string // the id of the destination that the key writes to and asks
}

// Keys is the known keys. Safe for concurrent use.
type Keys struct {
	grants atomic.Pointer[grants] // never changed, but replaced
}

// grants is what each key allows, by the key's SHA-256.
type grants map[[sha256.Size]byte]Grant

// New returns the keys, each with the id of its destination. The keys themselves are not kept, only their SHA-256.
func New(keys map[secret.String]string) *Keys {
	k := new(Keys)
	k.Replace(keys)
	return k
}

// Replace makes keys the known ones in place of those before, all at once.
func (k *Keys) Replace(keys map[secret.String]string) {
	fresh := make(grants, len(keys))
	for key, destination := range keys {
		sum := sha256.Sum256([]byte(key.Reveal()))
		fresh[sum] = Grant{KeyID: hex.EncodeToString(sum[:4]), Destination: destination}
	}
	k.grants.Store(&fresh)
}

// Find returns what key allows, or fault.Unauthorized. It compares digests, so that its time tells nothing of the keys.
func (k *Keys) Find(key string) (Grant, error) {
	if key == "" {
		return Grant{}, fault.New(fault.Unauthorized, "no_key",
			"no API key: send it as `Authorization: Bearer KEY`, `X-API-Key: KEY`, `apikey: KEY` or `?api_key=KEY`")
	}
	g, ok := (*k.grants.Load())[sha256.Sum256([]byte(key))]
	if !ok {
		return Grant{}, fault.New(fault.Unauthorized, "unknown_key", "this API key is not known")
	}
	return g, nil
}
