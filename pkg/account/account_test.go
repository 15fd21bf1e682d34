package account

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/secret"
)

func TestFind(t *testing.T) {
	keys := New(map[secret.String]string{"local": "1", "other": "2"})
	for _, tt := range []struct{ name, key, destination, code string }{
		{"known", "local", "1", ""},
		{"another", "other", "2", ""},
		{"empty", "", "", "no_key"},
		{"unknown", "Local", "", "unknown_key"},
		{"prefix of a key", "loca", "", "unknown_key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g, err := keys.Find(tt.key)
			if g.Destination != tt.destination {
				t.Errorf("destination: got %q, want %q", g.Destination, tt.destination)
			}
			if tt.code == "" {
				if err != nil || len(g.KeyID) != 8 {
					t.Errorf("got id %q and error %v, want 8 digits and none", g.KeyID, err)
				}
				return
			}
			if !errors.Is(err, fault.Unauthorized) || fault.CodeOf(err) != tt.code {
				t.Errorf("got %v, want unauthorized with code %s", err, tt.code)
			}
		})
	}
}

func TestKeysDoNotHoldTheKey(t *testing.T) {
	keys := New(map[secret.String]string{"a-very-secret-key": "1"})
	if s := fmt.Sprintf("%+v %#v", keys, *keys); strings.Contains(s, "a-very-secret-key") {
		t.Errorf("the key is printed: %s", s)
	}
}
