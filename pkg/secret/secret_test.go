package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

const text = "hunter2"

// login has a secret wherever a struct may have one.
type login struct {
	User     string            `json:"user" yaml:"user"`
	Password String            `json:"password" yaml:"password"`
	Pointer  *String           `json:"pointer" yaml:"pointer"`
	List     []String          `json:"list" yaml:"list"`
	Map      map[string]String `json:"map" yaml:"map"`
	Any      any               `json:"any" yaml:"any"`
	Nested   struct {
		Key String `json:"key" yaml:"key"`
	} `json:"nested" yaml:"nested"`
}

func newLogin() login {
	s := String(text)
	l := login{User: "ann", Password: s, Pointer: &s, List: []String{s}, Map: map[string]String{"k": s}, Any: s}
	l.Nested.Key = s
	return l
}

// wantMasked holds that got has masks secrets and not the text of one, nor its bytes as numbers.
func wantMasked(t *testing.T, how, got string, masks int) {
	t.Helper()
	for _, leak := range []string{text, fmt.Sprintf("%x", text), fmt.Sprintf("%X", text), "104 117 110"} {
		if strings.Contains(got, leak) {
			t.Errorf("%s: got %s, which tells the secret", how, got)
		}
	}
	if n := strings.Count(got, "[secret]"); n < masks {
		t.Errorf("%s: got %s, with %d masks, want %d", how, got, n, masks)
	}
}

func TestFmt(t *testing.T) {
	s := String(text)
	for _, verb := range []string{"%v", "%s", "%q", "%+v", "%#v", "%x", "%X", "% x", "%#q", "%d", "%t", "%f", "%c", "%20s", "%.3s", "%z"} {
		wantMasked(t, verb, fmt.Sprintf(verb, s), 1)
		wantMasked(t, verb+" of a list", fmt.Sprintf(verb, []String{s, s}), 2)
		wantMasked(t, verb+" of a map", fmt.Sprintf(verb, map[String]String{s: s}), 2)
		wantMasked(t, verb+" of a struct", fmt.Sprintf(verb, newLogin()), 5)
		wantMasked(t, verb+" of a pointer to a struct", fmt.Sprintf(verb, new(newLogin())), 0)
	}
	for _, verb := range []string{"%v", "%s", "%+v", "%#v"} {
		wantMasked(t, verb+" of a pointer", fmt.Sprintf(verb, &s), 1)
	}
	wantMasked(t, "Sprint", fmt.Sprint("key ", s, &s), 2)
	wantMasked(t, "Sprintln", fmt.Sprintln(s), 1)
	wantMasked(t, "Errorf", fmt.Errorf("key %v: %w", s, errors.New("refused")).Error(), 1)
	wantMasked(t, "String", s.String(), 1)
	if got := fmt.Sprintf("%v %s", (*String)(nil), (*String)(nil)); strings.Contains(got, "PANIC") {
		t.Errorf("no secret: got %s", got)
	}
}

func TestSlog(t *testing.T) {
	s := String(text)
	for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"json": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var out bytes.Buffer
		log := slog.New(handler(&out)).With("with", s)
		log.Info("m", "value", s, "pointer", &s, slog.Group("group", "key", s))
		wantMasked(t, name, out.String(), 4)
		out.Reset()
		log.Info("m", "struct", newLogin(), "list", []String{s}, "error", fmt.Errorf("key %s", s))
		wantMasked(t, name+" of what holds one", out.String(), 8)
	}
}

func TestMarshal(t *testing.T) {
	l := newLogin()
	for name, marshal := range map[string]func(any) ([]byte, error){"JSON": json.Marshal, "YAML": yaml.Marshal} {
		for what, v := range map[string]any{"a struct": l, "a pointer": &l} {
			got, err := marshal(v)
			if err != nil {
				t.Errorf("%s of %s: %v", name, what, err)
			}
			wantMasked(t, name+" of "+what, string(got), 6)
		}
		got, err := marshal(l.Password)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		wantMasked(t, name, string(got), 1)
	}
}

// TestMarshalOfNone has settings that are shown: they say whether there is a secret.
func TestMarshalOfNone(t *testing.T) {
	type settings struct {
		Key String `json:"key" yaml:"key"`
	}
	asJSON, err := json.Marshal(settings{})
	asYAML, yerr := yaml.Marshal(settings{})
	if err := errors.Join(err, yerr); err != nil {
		t.Fatal(err)
	}
	if got, want := string(asJSON), `{"key":""}`; got != want {
		t.Errorf("JSON: got %s, want %s", got, want)
	}
	if got, want := string(asYAML), "key: \"\"\n"; got != want {
		t.Errorf("YAML: got %q, want %q", got, want)
	}
}

func TestUnmarshal(t *testing.T) {
	for _, tt := range []struct{ name, yaml, want string }{
		{"plain", "password: hunter2", text},
		{"quoted", `password: "hunter2"`, text},
		{"digits", "password: 007", "007"},
		{"true", "password: 'true'", "true"},
		{"empty", "password: ''", ""},
		{"missing", "user: ann", ""},
		{"not ASCII", "password: pä$$🦆", "pä$$🦆"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var l login
			if err := yaml.Unmarshal([]byte(tt.yaml), &l); err != nil {
				t.Fatal(err)
			}
			if got := l.Password.Reveal(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	var l login
	if err := yaml.Unmarshal([]byte("pointer: hunter2\nlist: [a, hunter2]\nmap: {k: hunter2}\nnested: {key: hunter2}\n"), &l); err != nil {
		t.Fatal(err)
	}
	for where, got := range map[string]string{"pointer": l.Pointer.Reveal(), "list": l.List[1].Reveal(), "map": l.Map["k"].Reveal(), "nested": l.Nested.Key.Reveal()} {
		if got != text {
			t.Errorf("%s: got %q, want %q", where, got, text)
		}
	}
	if err := json.Unmarshal([]byte(`{"password":"hunter2"}`), &l); err != nil || l.Password.Reveal() != text {
		t.Errorf("JSON: got %q and %v, want %q", l.Password.Reveal(), err, text)
	}
}

func TestReveal(t *testing.T) {
	for _, want := range []string{"", text, "[secret]", "\x00\xff"} {
		if got := String(want).Reveal(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
