package config

import (
	"slices"
	"strings"
	"testing"
)

func TestParseTemplate(t *testing.T) {
	text := func(s string) Piece { return Piece{Text: s} }
	for _, tt := range []struct {
		value string
		want  []Piece
		wrong string
	}{
		{"", nil, ""},
		{"a b", []Piece{text("a b")}, ""},
		{"$$", []Piece{text("$")}, ""},
		{"$${host}", []Piece{text("${host}")}, ""},
		{"a$$$$b", []Piece{text("a$$b")}, ""},
		{"${host}", []Piece{{Variable: VarHost}}, ""},
		{"a${host}$$${path}}", []Piece{text("a"), {Variable: VarHost}, text("$"), {Variable: VarPath}, text("}")}, ""},
		{strings.Repeat("${path}", 16), slices.Repeat([]Piece{{Variable: VarPath}}, 16), ""},
		{strings.Repeat("${path}", 17), nil, "want at most 16 variables in a value"},
		{"$", nil, "want ${name} for a variable, $$ for a dollar"},
		{"a$b", nil, "want ${name} for a variable, $$ for a dollar"},
		{"${", nil, "a variable begins with ${ and does not end: want } behind its name"},
		{"${}", nil, "want the name of a variable between ${ and }"},
		{"${a b}", nil, "want the name of a variable between ${ and }"},
		{"${Host}", nil, "want the name of a variable between ${ and }: did you mean ${host}?"},
		{"${CLIENT_IP}", nil, "want the name of a variable between ${ and }: did you mean ${remote_ip}?"},
		{"${S3cret}", nil, "want the name of a variable between ${ and }"},
		{"${hots}", nil, "variable ${hots} is not known: did you mean ${host}?"},
		{"${request}", nil, "variable ${request} is not known: did you mean ${request_id}?"},
	} {
		got, err := ParseTemplate(tt.value)
		if !slices.Equal(got, tt.want) || (err == nil) != (tt.wrong == "") || err != nil && err.Error() != tt.wrong {
			t.Errorf("%q: %v, %v, want %v, %s", tt.value, got, err, tt.want, tt.wrong)
		}
	}
	for v, name := range variableNames {
		if got, err := ParseTemplate("${" + name + "}"); name != "" && (err != nil || got[0].Variable != Variable(v)) {
			t.Errorf("${%s}: %v, %v", name, got, err)
		}
	}
}

// FuzzParseTemplate: pieces that are written again are the same pieces.
func FuzzParseTemplate(f *testing.F) {
	f.Add("a ${host}$$ b")
	f.Add("${what}")
	f.Fuzz(func(t *testing.T, value string) {
		pieces, err := ParseTemplate(value)
		if err != nil {
			return
		}
		var b strings.Builder
		for i, p := range pieces {
			switch {
			case p.Variable != NoVariable:
				b.WriteString("${" + variableNames[p.Variable] + "}")
			case p.Text == "" || i > 0 && pieces[i-1].Variable == NoVariable:
				t.Fatalf("%q: piece %d of %q", value, i, pieces)
			default:
				b.WriteString(strings.ReplaceAll(p.Text, "$", "$$"))
			}
		}
		if b.String() != value {
			t.Fatalf("%q: written again as %q", value, b.String())
		}
	})
}
