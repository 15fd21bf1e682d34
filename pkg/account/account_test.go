package account

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
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
	if s := fmt.Sprintf("%+v %#v", *keys.grants.Load(), keys); strings.Contains(s, "a-very-secret-key") {
		t.Errorf("the key is printed: %s", s)
	}
}

func TestErrorsDoNotHoldTheKey(t *testing.T) {
	keys := New(map[secret.String]string{"a-very-secret-key": "1"})
	for _, key := range []string{"a-very-secret-kez", "a-very-secret-key ", "A-VERY-SECRET-KEY", "a-very-secret-key\x00"} {
		g, err := keys.Find(key)
		if text := fmt.Sprintf("%v %+v %q", err, err, fault.TextOf(err)); err == nil || strings.Contains(strings.ToLower(text), "very") {
			t.Errorf("%q: got %s, want an error without the key", key, text)
		}
		if g != (Grant{}) {
			t.Errorf("%q: got %+v, want nothing granted", key, g)
		}
	}
}

func TestGrantNamesTheKey(t *testing.T) {
	keys := New(map[secret.String]string{"one": "1", "another": "1", "other": "2"})
	ids := make(map[string]string)
	for _, key := range []string{"one", "another", "other"} {
		g, err := keys.Find(key)
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("%x", sha256.Sum256([]byte(key)))[:8]; g.KeyID != want {
			t.Errorf("%s: got id %s, want %s", key, g.KeyID, want)
		}
		if first, taken := ids[g.KeyID]; taken {
			t.Errorf("%s has the id of %s", key, first)
		}
		ids[g.KeyID] = key
	}
}

func TestNoKeys(t *testing.T) {
	for name, keys := range map[string]*Keys{"none": New(nil), "an empty one": New(map[secret.String]string{"": "1"})} {
		for _, key := range []string{"", "local"} {
			if g, err := keys.Find(key); !errors.Is(err, fault.Unauthorized) || g != (Grant{}) {
				t.Errorf("%s, %q: got %+v and %v, want fault.Unauthorized", name, key, g, err)
			}
		}
	}
}

func TestReplace(t *testing.T) {
	keys := New(map[secret.String]string{"stays": "1", "goes": "1", "moves": "1"})
	keys.Replace(map[secret.String]string{"stays": "1", "moves": "2", "comes": "2"})
	for key, want := range map[string]string{"stays": "1", "moves": "2", "comes": "2", "goes": ""} {
		g, err := keys.Find(key)
		if g.Destination != want || (want == "") != errors.Is(err, fault.Unauthorized) {
			t.Errorf("%s: got %q, %v, want %q", key, g.Destination, err, want)
		}
	}
}

// Who asks while the keys are replaced gets the ones before or the ones after, never some of each.
func TestReplaceWhileOthersAsk(t *testing.T) {
	before, after := map[secret.String]string{"a": "1", "b": "1"}, map[secret.String]string{"a": "2", "b": "2"}
	keys := New(before)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				all := *keys.grants.Load()
				places := make(map[string]bool)
				for _, g := range all {
					places[g.Destination] = true
				}
				if len(all) != 2 || len(places) != 1 {
					t.Errorf("got %d keys of %d destinations, want 2 of 1", len(all), len(places))
				}
				if _, err := keys.Find("a"); err != nil {
					t.Error(err)
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for range 500 {
		keys.Replace(after)
		keys.Replace(before)
	}
	close(stop)
	wg.Wait()
}
