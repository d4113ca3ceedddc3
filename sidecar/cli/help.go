package cli

import (
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

// The groups of verbs, in the order of the help.
const (
	groupRun    = "run"
	groupLook   = "look"
	groupChange = "change"
)

func addGroups(root *cobra.Command) {
	root.AddGroup(
		&cobra.Group{ID: groupRun, Title: "Before it runs"},
		&cobra.Group{ID: groupLook, Title: "While it runs"},
		&cobra.Group{ID: groupChange, Title: "The document in Consul"},
	)
	root.SetCompletionCommandGroupID(groupRun)
}

// of puts verbs into a group.
func of(group string, verbs ...*cobra.Command) []*cobra.Command {
	for _, v := range verbs {
		v.GroupID = group
	}
	return verbs
}

// helpWidth is how wide the help is at most, in columns: as every terminal is.
const helpWidth = 80

// usage writes how a verb is called: its flags by what they are about, no line wider than helpWidth.
func usage(cmd *cobra.Command) error {
	var b strings.Builder
	b.WriteString("Usage:\n")
	if cmd.Runnable() {
		b.WriteString("  " + cmd.UseLine() + "\n")
	}
	if cmd.HasAvailableSubCommands() {
		b.WriteString("  " + cmd.CommandPath() + " VERB\n")
	}
	if cmd.HasExample() {
		b.WriteString("\nExamples:\n" + cmd.Example + "\n")
	}
	verbsUsage(&b, cmd)
	flagsUsage(&b, cmd)
	if cmd.HasAvailableSubCommands() {
		b.WriteString("\n" + cmd.CommandPath() + " VERB --help tells more of a verb.\n")
	}
	_, err := io.WriteString(cmd.OutOrStderr(), b.String())
	return err
}

func verbsUsage(b *strings.Builder, cmd *cobra.Command) {
	table := tableShape{[]int{2, 12}, helpWidth}
	list := func(title, group string) {
		for _, c := range cmd.Commands() {
			if c.GroupID == group && (c.IsAvailableCommand() || c.Name() == "help") {
				if title != "" {
					b.WriteString("\n" + title + ":\n")
					title = ""
				}
				table.row(b, "", c.Name(), c.Short)
			}
		}
	}
	list("Verbs", "")
	for _, g := range cmd.Groups() {
		list(g.Title, g.ID)
	}
}

func flagsUsage(b *strings.Builder, cmd *cobra.Command) {
	table := tableShape{[]int{2, 37}, helpWidth}
	groups := map[string]string{} // by flag
	var titles []string
	vars := sidecar.Variables()
	for _, v := range vars {
		groups[v.Flag] = v.Group
		if len(titles) == 0 || titles[len(titles)-1] != v.Group {
			titles = append(titles, v.Group)
		}
	}
	list := func(title, group string) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Hidden || groups[f.Name] != group {
				return
			}
			if title != "" {
				b.WriteString("\n" + title + ":\n")
				title = ""
			}
			name, text := flagUsage(f)
			table.row(b, "", name, text)
		})
	}
	list("Flags", "")
	if cmd.HasParent() && cmd.Flags().Lookup(vars[0].Flag) != nil {
		b.WriteString("\nThe flags of gateway hold here too, such as --service and --consul-key:\n" +
			"gateway --help lists them.\n")
		return
	}
	for _, t := range titles {
		list("Flags, "+t, t)
	}
}

// flagUsage is a flag with its value, and what it means with its default.
func flagUsage(f *pflag.Flag) (name, text string) {
	kind, text := pflag.UnquoteUsage(f)
	name = "    --" + f.Name
	if f.Shorthand != "" {
		name = "-" + f.Shorthand + ", --" + f.Name
	}
	if kind != "" && f.NoOptDefVal == "" {
		name += " " + kind
	}
	switch f.DefValue {
	case "", "0", "0s", "false", "[]":
	default:
		text += " (default " + f.DefValue + ")"
	}
	return name, text
}
