package consul

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// whole is a pointer with nothing wrong.
const whole = `{"v":1,"rev":"abc","sha256":"` + sum + `","parts":["gateway/web/history/abc/x.0"],"by":"me"}`

const sum = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestParsePointer(t *testing.T) {
	edit := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(whole) }
	for _, row := range []struct {
		name, value string
		pointer     bool
		want        string // of the error
	}{
		{"whole", whole, true, ""},
		{"among spaces", "\n " + whole + "\n", true, ""},
		{"keys that are not known", edit(`"by"`, `"colour":"red","by"`), true, ""},
		{"YAML", "routes: []", false, ""},
		{"a document in JSON", `{"routes": [], "clusters": []}`, false, ""},
		{"nothing", "", false, ""},
		{"broken JSON", whole[:40], false, ""},
		{"no parts key", `{"v":1}`, false, ""},
		{"another form", edit(`"v":1`, `"v":2`), true, "form 2, want 1: another version of the gateway wrote it"},
		{"no part", edit(`["gateway/web/history/abc/x.0"]`, `[]`), true, "has no parts"},
		{"too many parts", edit(`["gateway`, `["a`+strings.Repeat(`","a`, maxParts)+`","gateway`), true,
			"has 34 parts, want at most 32"},
		{"parts are no list", edit(`["gateway/web/history/abc/x.0"]`, `7`), true, "pointer: json: "},
		{"a short hash", edit("89abcdef0123456789abcdef\"", "\""), true, "want 64 hex digits"},
		{"a part outside", edit("gateway/web/history", "../web"), true,
			`consul key "../web/abc/x.0": has a segment of dots`},
		{"a part of no name", edit("gateway/web/history/abc/x.0", ""), true, "empty"},
	} {
		_, pointer, err := parsePointer([]byte(row.value))
		if pointer != row.pointer {
			t.Errorf("%s: pointer %v, want %v", row.name, pointer, row.pointer)
		}
		if (err != nil) != (row.want != "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: error %v, want %q", row.name, err, row.want)
		}
	}
}

func zipped(t *testing.T, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAssemble(t *testing.T) {
	text := []byte(strings.Repeat("routes: []\n", 100))
	whole := zipped(t, text)
	first, second := whole[:20], whole[20:]
	damaged := bytes.Clone(whole)
	damaged[len(damaged)/2] ^= 1
	bomb := make([]byte, config.MaxDocumentBytes+1)
	for _, row := range []struct {
		name  string
		text  []byte // whose hash the pointer has
		parts [][]byte
		want  string
	}{
		{"one part", text, [][]byte{whole}, ""},
		{"two parts", text, [][]byte{first, second}, ""},
		{"in another order", text, [][]byte{second, first}, "its parts are not zipped"},
		{"one is missing", text, [][]byte{first}, "its parts do not fit together"},
		{"one is empty", text, [][]byte{{}}, "its parts are not zipped"},
		{"damaged", text, [][]byte{damaged}, "pointer to abc: its parts "},
		{"of another document", text, [][]byte{zipped(t, []byte("routes: [x]\n"))},
			"its parts are those of another document"},
		{"too large when unzipped", bomb, [][]byte{zipped(t, bomb)}, "larger than 8 MiB"},
		{"as large as allowed", bomb[1:], [][]byte{zipped(t, bomb[1:])}, ""},
	} {
		p := Pointer{Rev: "abc", SHA256: hashHex(row.text)}
		got, err := p.assemble(row.parts)
		switch {
		case row.want == "" && (err != nil || textOf(got) != string(row.text)):
			t.Errorf("%s: %d bytes, %v, want the document", row.name, len(textOf(got)), err)
		case row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want) || got != nil):
			t.Errorf("%s: %d bytes, error %v, want %q", row.name, len(textOf(got)), err, row.want)
		}
	}
}

func TestFilesOfADocument(t *testing.T) {
	for _, row := range []struct {
		name  string
		files []File
		want  string // the document, or the error
	}{
		{"none", nil, "routes"},
		{"one", []File{{"a", 6}}, "a=routes"},
		{"two", []File{{"a", 2}, {"b", 4}}, "a=ro b=utes"},
		{"one is empty", []File{{"a", 0}, {"b", 6}}, "a= b=routes"},
		{"too much", []File{{"a", 2}, {"b", 5}}, `pointer to abc: file "b" of 5 bytes: not in the document`},
		{"too little", []File{{"a", 2}, {"b", 3}}, "pointer to abc: 1 bytes are of no file"},
		{"less than nothing", []File{{"a", 8}, {"b", -2}}, `file "a" of 8 bytes`},
		{"a negative size", []File{{"a", -2}, {"b", 8}}, `file "a" of -2 bytes`},
		{"no name", []File{{"", 6}}, `file "" of 6 bytes`},
	} {
		p := Pointer{Rev: "abc", Files: row.files}
		document, err := p.document([]byte("routes"))
		got := textOf(document)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, row.want) || err != nil && document != nil {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}

// A value that anybody may write has no way to break the reader.
func FuzzParsePointer(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte(`{"v":1,"parts":null}`))
	f.Add([]byte("routes: []"))
	f.Fuzz(func(t *testing.T, value []byte) {
		p, pointer, err := parsePointer(value)
		if !pointer || err != nil {
			return
		}
		if len(p.Parts) == 0 || len(p.Parts) > maxParts || len(p.SHA256) != len(sum) {
			t.Errorf("%q passed", value)
		}
		again, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if _, pointer, err := parsePointer(again); !pointer || err != nil {
			t.Errorf("%s is no pointer once written: %v", again, err)
		}
	})
}
