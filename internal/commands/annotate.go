package commands

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/buildpacks-community/pack-manifest/internal/ui"
	"github.com/buildpacks-community/pack-manifest/pkg/client"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

type annotateOptions struct {
	platformFlags
	validation        validationFlags
	request           client.AnnotateRequest
	annotations, many []string
	artifactType      string
	index             bool
}

func newAnnotate(f *factory, run func(context.Context, *factory, *annotateOptions) error) *cobra.Command {
	o := &annotateOptions{}
	cmd := &cobra.Command{
		Use:   "annotate LIST [ENTRY]",
		Short: "Set platform fields and annotations of an entry, or annotations of the list",
		Long: `Set platform fields and annotations of one entry of a list in local storage, or
with --index annotations of the list itself. No registry is asked.

An ENTRY is named by its digest or the beginning of it, by its platform, or by
the source that it was made from. Its platform goes with its last field:
--os '' --arch ''.`,
		Example: `  # say what an image is for whose config does not
  pack manifest annotate acme/bp:1.2.3 acme/bp:linux --arch amd64

  # the build of Windows, for the entry of a platform
  pack manifest annotate acme/bp:1.2.3 windows/amd64 --os-version 10.0.20348.2227

  # an annotation of the list
  pack manifest annotate acme/bp:1.2.3 --index --annotation org.opencontainers.image.version=1.2.3`,
		Args: args(cobra.RangeArgs(1, 2), "a list and at most one entry"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.request.Name, o.request.Platform = args[0], o.patch(cmd)
			if cmd.Flags().Changed("artifact-type") {
				o.request.ArtifactType = &o.artifactType
			}
			if len(args) == 2 {
				o.request.Entry = args[1]
			}
			return run(cmd.Context(), f, o)
		},
		ValidArgsFunction: completeEntries(f),
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.index, "index", false, "Annotate the list itself")
	flags.StringArrayVar(&o.annotations, "annotation", nil, "Annotation `KEY=VALUE` (repeatable)")
	flags.StringSliceVar(&o.many, "annotations", nil, "Annotations `KEY=VALUE,KEY=VALUE`")
	flags.StringVar(&o.artifactType, "artifact-type", "", "With --index: media `TYPE` that says what the list is, \"\" for nothing")
	o.addFlags(cmd)
	o.validation.addFlags(cmd)
	completePlatform(cmd)
	return cmd
}

func (o *annotateOptions) check() error {
	switch {
	case o.index && o.request.Entry != "":
		return index.Faultf(index.ErrUsage, "--index", "it annotates the list, so no entry can be given")
	case !o.index && o.request.Entry == "":
		return index.Faultf(index.ErrUsage, "", "want an entry to annotate, or --index for the list itself")
	case o.index && !o.request.Platform.IsZero():
		return index.Faultf(index.ErrUsage, "--index", "a list has no platform; name an entry to set one")
	case !o.index && o.request.ArtifactType != nil:
		return index.Faultf(index.ErrUsage, "--artifact-type", "it is about the list itself; add --index in place of an entry")
	case o.request.ArtifactType == nil && o.request.Platform.IsZero() && len(o.request.Annotations) == 0:
		return index.Faultf(index.ErrUsage, "", "nothing to set: give a platform flag, --annotation or --artifact-type")
	}
	return nil
}

func runAnnotate(ctx context.Context, f *factory, o *annotateOptions) error {
	var err error
	if o.request.Annotations, err = parseAnnotations(slices.Concat(o.annotations, o.many)); err != nil {
		return err
	}
	if o.request.Validation, err = o.validation.parse(); err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	c, err := f.client(reach{}, o.request.Name)
	if err != nil {
		return err
	}
	defer c.Close()
	result, err := c.Annotate(ctx, o.request)
	if err != nil {
		return inList(err, o.request.Name)
	}
	list := ui.Symbol(result.Name.Familiar())
	switch {
	case result.Diff.IsZero():
		f.streams.Info("Nothing to change: %s has these values already", list)
	case o.index:
		f.streams.Info("Successfully annotated index %s", list)
	default:
		f.streams.Info("Successfully annotated image %s in index %s", ui.Symbol(o.request.Entry), list)
	}
	return nil
}
