package commands

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/buildpacks-community/pack-manifest/internal/ui"
	"github.com/buildpacks-community/pack-manifest/pkg/client"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// Main runs the program and returns its exit code.
func Main(ctx context.Context, p Process) int {
	streams := ui.New(p.Out, p.Err, p.Term, p.Now)
	streams.NoBars = !p.draws()
	f := &factory{process: p, streams: streams}
	root := newRoot(f) //nolint:contextcheck // cobra hands the context to the command that runs
	root.SetArgs(p.Args)
	root.SetOut(p.Out)
	root.SetErr(p.Err)
	err := root.ExecuteContext(ctx)
	f.colour()                                                          // the arguments may have been refused before a command ran
	return explain(streams, f.advisor("LIST"), context.Cause(ctx), err) // the cause is known only now
}

// factory makes what commands need once their flags are parsed, never before.
type factory struct {
	process Process
	streams *ui.Streams
	noColor bool
	color   bool

	verb string // of the command that runs, and how many arguments it has
	args int
	at   place // where the list is that it is about
}

// standsAlone reports whether the program was started as pack-manifest, which
// has the manifest commands at its root.
func (f *factory) standsAlone() bool {
	return strings.TrimSuffix(f.process.Name, ".exe") == "pack-manifest"
}

// program is what a user types in front of the verbs.
func (f *factory) program() string {
	if f.standsAlone() {
		return "pack-manifest"
	}
	return "pack manifest"
}

// reach is how a command reaches registries.
type reach struct {
	insecure bool
	jobs     int
}

func (r *reach) addFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&r.insecure, "insecure", false, "Allow plain HTTP and TLS that cannot be verified, for every registry of the command")
}

func (r *reach) addJobs(cmd *cobra.Command) {
	cmd.Flags().IntVar(&r.jobs, "jobs", client.DefaultJobs, "Registry requests at once, at most `N`")
}

func (r *reach) check() error {
	if r.jobs < 0 || r.jobs > 1000 {
		return index.Faultf(index.ErrUsage, "--jobs", "want a number from 1 to 1000")
	}
	return nil
}

// client returns a client that tells of events on stderr. list is the name of
// the list that the command is about, as typed, for the commands it advises.
func (f *factory) client(r reach, list string) (*client.Client, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	home, err := f.process.packHome()
	if err != nil {
		return nil, err
	}
	settings := client.Settings{
		Home: home, Temp: f.process.Temp, Env: f.process.Env, Insecure: r.insecure, Jobs: r.jobs, Now: f.process.Now,
		UserAgent: "pack-manifest/" + f.process.Version,
		Command:   f.process.Name + " " + strings.Join(f.process.Args, " "),
	}
	if f.streams.Verbose {
		settings.Log = func(request string) { f.streams.Detail("%s", request) }
	}
	observer := &reporter{streams: f.streams, advisor: f.advisor(list)}
	return client.Open(settings, client.WithObserver(observer.event)), nil
}

func newRoot(f *factory) *cobra.Command {
	if cobra.EnableCommandSorting { // a variable of the process, so it is written once
		cobra.EnableCommandSorting = false
	}
	root := newManifest(f)
	if f.standsAlone() {
		root.Use = "pack-manifest"
	} else {
		manifest := root
		root = group(&cobra.Command{
			Use:   "pack",
			Short: "CLI for building apps using Cloud Native Buildpacks: the manifest commands",
		})
		root.AddCommand(manifest)
	}
	root.SilenceErrors, root.SilenceUsage = true, true
	f.addVersionFlag(root)
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(newVersion(f), newCompletion(f))
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return index.Faultf(index.ErrUsage, "", "%w; see '%s --help'", err, cmd.CommandPath())
	})
	root.SetHelpCommand(newHelp())
	root.InitDefaultHelpCmd()
	f.addGlobalFlags(root)
	f.dress(root)
	return root
}

// addVersionFlag lets --version print what version prints. Cobra's own flag
// would print more, or need a template: two megabytes of the program.
func (f *factory) addVersionFlag(root *cobra.Command) {
	show := root.Flags().Bool("version", false, "Show the version")
	run := root.RunE
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if *show {
			return f.streams.Data([]byte(f.process.Version + "\n"))
		}
		return run(cmd, args)
	}
}

func (f *factory) addGlobalFlags(root *cobra.Command) {
	flags := root.PersistentFlags()
	flags.BoolVar(&f.noColor, "no-color", false, "Disable color output")
	flags.BoolVar(&f.color, "force-color", false, "Force color output")
	flags.BoolVarP(&f.streams.Quiet, "quiet", "q", false, "Show data and errors only")
	flags.BoolVarP(&f.streams.Verbose, "verbose", "v", false, "Show more output: notes, and every request")
	flags.BoolVar(&f.streams.Timestamps, "timestamps", false, "Enable timestamps in output to stderr")
	root.PersistentPreRun = func(cmd *cobra.Command, args []string) {
		f.colour()
		f.verb, f.args = cmd.Name(), len(args)
	}
}

// colour decides on colours: the flags, then NO_COLOR (https://no-color.org),
// then the terminal.
func (f *factory) colour() {
	if f.noColor || f.process.Env("NO_COLOR") != "" {
		f.streams.Color = false
	}
	if f.color {
		f.streams.Color = true
	}
}

func newManifest(f *factory) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "manifest",
		Short: "Make, keep and publish manifest lists and image indexes of buildpack packages",
		Long: `One name for the packages of all platforms.

A list is what OCI calls an image index and Docker a manifest list; its lines
are entries. create makes a list of images, lists and .cnb files and keeps it
in local storage ($PACK_HOME/manifests), where add, annotate and rm change it
without a registry. push publishes it: first what the destination lacks of the
images, then the list, which is read back and compared.`,
	})
	cmd.AddCommand(
		newCreate(f, runCreate), newAdd(f, runAdd), newAnnotate(f, runAnnotate), newInspect(f, runInspect),
		newPush(f, runPush), newSave(f, runSave), newRm(f, runRm), newRemove(f, runRemove), newList(f, runList), newValidate(f, runValidate),
		newResolve(f, runResolve), newPlatforms(f, runPlatforms),
	)
	return cmd
}
