package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

// newRoot builds the tree of verbs. The root itself is the verb run.
func newRoot(p *Process) *cobra.Command {
	root := runCommand(p)
	addGroups(root)
	root.AddCommand(of(groupRun, devCommand(p), validateCommand(p), checkCommand(p), envCommand(p),
		versionCommand(p))...)
	root.AddCommand(of(groupLook, statusCommand(p), topCommand(p), explainCommand(p), failuresCommand(p),
		logCommand(p))...)
	root.AddCommand(of(groupChange, pushCommand(p), diffCommand(p), historyCommand(p), rollbackCommand(p),
		fleetCommand(p))...)
	root.SetUsageFunc(usage)
	root.SetHelpCommand(helpCommand(root))
	root.SetOut(p.Stdout) // completion takes it when it is made
	checkShell(root)
	root.Version = sidecar.Built().String()
	root.SetVersionTemplate("gateway {{.Version}}\n") // as the verb version prints it
	root.Args = verbOnly
	root.SetFlagErrorFunc(explainFlag)
	root.SilenceErrors, root.SilenceUsage = true, true
	return root
}

// bindFlags adds the table's flags to a verb and returns where they go.
func bindFlags(cmd *cobra.Command) map[string]string {
	vars := sidecar.Variables()
	cmd.Flags().SortFlags = false // as in the table: what belongs together stands together
	given := sidecar.BindFlags(cmd.Flags(), vars)
	for i := range vars {
		if words := vars[i].OneOf; words != nil {
			complete := cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
			if err := cmd.RegisterFlagCompletionFunc(vars[i].Flag, complete); err != nil {
				panic("BUG: " + err.Error())
			}
		}
	}
	return given
}

// verbOnly refuses what follows the root and is no verb.
func verbOnly(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return unknownVerb(cmd.Root(), args[0])
}

func unknownVerb(root *cobra.Command, word string) error {
	var verbs []string
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() || c.Name() == "help" {
			verbs = append(verbs, c.Name())
		}
	}
	if near := config.Nearest(word, verbs); near != "" {
		return fmt.Errorf("there is no verb %q (perhaps %s)", word, near)
	}
	if slices.Contains([]string{"run", "start", "serve", "server", "agent", "proxy"}, word) {
		return fmt.Errorf("there is no verb %q (gateway without a verb runs)", word)
	}
	return fmt.Errorf("there is no verb %q (there are %s)", word, strings.Join(verbs, ", "))
}

// noArguments refuses what follows a verb that takes nothing.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no argument (seen %q)", cmd.Name(), args[0])
	}
	return nil
}

// explainFlag says in a sentence what is wrong with a flag.
func explainFlag(cmd *cobra.Command, err error) error {
	if missing, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		return fmt.Errorf("--%s needs a value", missing.GetFlag().Name)
	}
	if wrong, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return wrongValue(wrong)
	}
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return err
	}
	if letters := unknown.GetSpecifiedShortnames(); letters != "" {
		return unknownFlag(cmd, "-"+letters, letters)
	}
	return unknownFlag(cmd, "--"+unknown.GetSpecifiedName(), unknown.GetSpecifiedName())
}

// wrongValue says what a flag takes instead.
func wrongValue(err *pflag.InvalidValueError) error {
	flag := err.GetFlag()
	want := err.Unwrap().Error()
	switch flag.Value.Type() {
	case "duration":
		want = "want a duration with its unit, such as 30s or 5m"
	case "int":
		want = "want a whole number"
	case "bool":
		want = "want true or false, or no value for true"
	}
	return fmt.Errorf("--%s: %s (seen %q)", flag.Name, want, err.GetValue())
}

func unknownFlag(cmd *cobra.Command, seen, name string) error {
	var flags []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { flags = append(flags, f.Name) })
	if near := config.Nearest(name, flags); near != "" {
		return fmt.Errorf("unknown flag %s (perhaps --%s)", seen, near)
	}
	return fmt.Errorf("unknown flag %s (%s --help lists them)", seen, cmd.CommandPath())
}

// checkShell has completion refuse shells that it does not know, instead of its help and exit code 0.
func checkShell(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	completion, _, err := root.Find([]string{"completion"})
	if err != nil {
		panic("BUG: " + err.Error())
	}
	var shells []string
	for _, c := range completion.Commands() {
		shells = append(shells, c.Name())
		c.Args = noArguments
	}
	completion.Args = nil
	completion.RunE = func(_ *cobra.Command, args []string) error {
		return fmt.Errorf("completion takes one of %s (seen %q)", strings.Join(shells, ", "), strings.Join(args, " "))
	}
}

// helpCommand replaces cobra's, which is content with verbs that do not exist.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "help [VERB]",
		Short:   "Tell about a verb",
		GroupID: groupRun,
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return unknownVerb(root, strings.Join(args, " "))
			}
			return cmd.Help()
		},
	}
}
