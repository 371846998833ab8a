package commands

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/buildpacks-community/pack-manifest/internal/ui"
	"github.com/buildpacks-community/pack-manifest/pkg/client"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

type createOptions struct {
	reach
	validation  validationFlags
	results     resultFlags
	request     client.CreateRequest
	format      string
	annotations []string
}

func newCreate(f *factory, run func(context.Context, *factory, *createOptions) error) *cobra.Command {
	o := &createOptions{}
	cmd := &cobra.Command{
		Use:   "create LIST SOURCE...",
		Short: "Make a list of images, and keep or publish it",
		Long: `Make a list of images and keep it in local storage or, with --publish, write it
to its registry and keep nothing.

A SOURCE is an image or a list in a registry (REFERENCE or docker://REFERENCE),
a .cnb file (a path that ends in .cnb or begins with ./ ../ or /), an OCI
archive (oci-archive:FILE[:NAME]), the directory of an OCI layout
(oci:DIR[:NAME]; oci:./DIR where DIR has no "/" and no ".") or an image in the
Docker daemon (docker-daemon:REFERENCE). A list gives one entry for each of its
images. PLATFORM= in front of a source says what it is for where its config does
not.

A list that is the only source is taken as it is, with its format and its
digest; what flags ask for is done to it, and the rest of it stays.

On success one line is printed to stdout: REPOSITORY@DIGEST. With --dry-run
it has the digest that the list would have; for files that needs no registry.`,
		Example: `  # a list of what the release built, kept here
  pack manifest create ghcr.io/acme/bp:1.2.3 dist/bp-linux-amd64.cnb dist/bp-linux-arm64.cnb

  # the same, written to the registry in one step as an OCI image index
  pack manifest create ghcr.io/acme/bp:1.2.3 dist/*.cnb --publish --format oci --tag latest

  # the same for the steps of a build that come later: digests, sources and findings
  pack manifest create ghcr.io/acme/bp:1.2.3 dist/*.cnb --publish --metadata-file bp.json --digest-file bp.digest

  # what Docker has built here, and a file
  pack manifest create ghcr.io/acme/bp:1.2.3 docker-daemon:acme/bp:dev dist/bp-linux-arm64.cnb

  # a list that another repository has: the same bytes, the same digest
  pack manifest create ghcr.io/acme/mirror:1.2.2 ghcr.io/acme/bp:1.2.2 --publish

  # images whose configs lack the architecture
  pack manifest create acme/bp:1.2.3 linux/amd64=acme/bp:linux windows/amd64=acme/bp:windows`,
		Args: args(cobra.MinimumNArgs(2), "a list and at least one source"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.request.Name, o.request.Sources = args[0], args[1:]
			if err := exclusive(cmd, "replace", "amend", "publish"); err != nil {
				return err
			}
			if err := o.onlyPublished(cmd); err != nil {
				return err
			}
			return run(cmd.Context(), f, o)
		},
		ValidArgsFunction: completeSources(f),
	}
	o.addCreateFlags(cmd)
	return cmd
}

func (o *createOptions) addCreateFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&o.format, "format", "f", "", "`FORMAT` of the list: v2s2 (a Docker manifest list, the default unless the only source is a list, which keeps its own) or oci")
	flags.BoolVar(&o.request.Publish, "publish", false, "Write the list to its registry, keep nothing here")
	flags.StringArrayVar(&o.request.Tags, "tag", nil, "With --publish: A further `TAG` of the repository, for the list (repeatable)")
	flags.StringVar(&o.request.IfTag, "if-tag", "", "With --publish: Only if LIST names this `DIGEST` in its registry, or nothing, if it is \"absent\"")
	flags.BoolVar(&o.request.Referrers, "with-referrers", false, "With --publish: "+referrersUsage)
	flags.BoolVar(&o.request.DryRun, "dry-run", false, "Write nothing; show what would be done, and the digest")
	flags.StringArrayVar(&o.annotations, "annotation", nil, "Annotation `KEY=VALUE` of the list (repeatable)")
	flags.StringVar(&o.request.ArtifactType, "artifact-type", "", "Media `TYPE` that says what the list is, where that is not one image for several platforms")
	flags.BoolVar(&o.request.Replace, "replace", false, "Make the list anew if there is one of the name")
	flags.BoolVar(&o.request.Amend, "amend", false, "Add to the list if there is one of the name")
	addSelection(cmd, &o.request.Selection)
	o.addFlags(cmd)
	o.addJobs(cmd)
	o.validation.addFlags(cmd)
	o.validation.addDeep(cmd, "With --publish: ")
	o.results.addFlags(cmd, "With --publish: ")
	completeFormat(cmd)
}

// onlyPublished refuses flags that mean nothing where the list is kept.
func (o *createOptions) onlyPublished(cmd *cobra.Command) error {
	if o.request.Publish {
		return nil
	}
	for _, name := range append(o.results.names(), "deep", "if-tag", "tag", "with-referrers") {
		if cmd.Flags().Changed(name) {
			return index.Faultf(index.ErrUsage, "--"+name, "it is about a list that is published; add --publish")
		}
	}
	return nil
}

func runCreate(ctx context.Context, f *factory, o *createOptions) (err error) {
	if o.request.Format, err = f.format(o.format); err != nil {
		return err
	}
	o.request.KeepFormat = o.format == ""
	if o.request.Annotations, err = parseAnnotations(o.annotations); err != nil {
		return err
	}
	if o.request.Validation, err = o.validation.parse(); err != nil {
		return err
	}
	if o.request.Publish || o.request.DryRun {
		f.at = nowhere
	}
	return f.making(making{
		list: o.request.Name, reach: o.reach, results: o.results, dryRun: o.request.DryRun,
		make: func(c *client.Client) (client.ListResult, error) { return c.Create(ctx, o.request) },
		tell: func(result client.ListResult) {
			list := ui.Symbol(result.Name.Familiar())
			if o.request.Publish {
				f.streams.Info("Successfully pushed manifest list %s to registry", list)
			} else {
				f.streams.Info("Successfully created manifest list %s", list)
			}
		},
	})
}

// format reads the value of --format; without one the default holds.
func (f *factory) format(flag string) (index.Format, error) {
	if flag == "" {
		return f.process.defaultFormat()
	}
	return index.ParseFormat(flag)
}
