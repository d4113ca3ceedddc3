package sidecar

import "github.com/spf13/pflag"

// BindFlags adds a flag for each variable to fs. The map it returns is filled as
// fs is parsed: variable -> text, of the flags that were given. The texts are not
// judged here: Load judges them as it does the environment's, all at once.
func BindFlags(fs *pflag.FlagSet, vars []Variable) map[string]string {
	given := make(map[string]string)
	for i := range vars {
		v := &vars[i]
		f := fs.VarPF(&textFlag{variable: v, given: given}, v.Flag, "", v.Help)
		if v.Shown != none {
			f.DefValue = v.Shown
		}
		if v.Switch {
			f.NoOptDefVal = "true"
		}
	}
	return given
}

// textFlag is one variable's flag.
type textFlag struct {
	variable *Variable
	given    map[string]string // shared by all flags of a set
}

// Set notes the text; the last one counts.
func (f *textFlag) Set(text string) error {
	f.given[f.variable.Name] = text
	return nil
}

// String gives what was set.
func (f *textFlag) String() string {
	return f.given[f.variable.Name]
}

// Type is the placeholder in the help; "bool" has none.
func (f *textFlag) Type() string {
	return f.variable.kind()
}
