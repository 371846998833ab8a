package commands

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/buildpacks-community/pack-manifest/internal/ui"
	"github.com/buildpacks-community/pack-manifest/pkg/client"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

type saveOptions struct {
	reach
	request client.SaveRequest
}

func newSave(f *factory, run func(context.Context, *factory, *saveOptions) error) *cobra.Command {
	o := &saveOptions{}
	cmd := &cobra.Command{
		Use:   "save LIST",
		Short: "Write a list and its images into a file, a directory or Docker",
		Long: `Write a list and its images into a file or directory, or into the Docker daemon:
a list from local storage or, where there is none of the name, what the registry
has. What is not kept here is read from the registries that the images are in.

The same list gives the same bytes. An OCI archive and an OCI layout have the
list as it is. A .cnb file has the images themselves, that for linux/amd64
first, as pack reads it, and the list beside them. Of all three, create makes
the list again, with its digest: create LIST FILE.cnb, oci-archive:FILE.tar or
oci:DIR. Nothing is overwritten. What a directory needs is read side by side,
as --jobs allows, what an archive needs in the order that it has there.

With --docker a daemon with containerd's image store gets the whole list. One
with the classic store holds no lists: it gets the image that 'docker pull'
would take there, or that for --platform, and it is told which one and what is
left out. The name is moved if the daemon has it already. 'docker load' reads
a saved .tar only where the store is containerd's.

On success one line is printed to stdout: REPOSITORY@DIGEST.`,
		Example: `  # one file for all platforms, to carry where no registry is
  pack manifest save ghcr.io/acme/bp:1.2.3 -o bp-1.2.3.tar

  # for pack, one .cnb file for all platforms
  pack manifest save ghcr.io/acme/bp:1.2.3 -o bp-1.2.3.cnb

  # a directory that is an OCI layout
  pack manifest save ghcr.io/acme/bp:1.2.3 -o ./bp-1.2.3-layout

  # to try it with Docker on this machine, without a registry
  pack manifest save ghcr.io/acme/bp:1.2.3 --docker

  # the same for another platform than the daemon's
  pack manifest save ghcr.io/acme/bp:1.2.3 --docker --platform linux/arm64`,
		Args: args(cobra.ExactArgs(1), "one list"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.request.Reference = args[0]
			return run(cmd.Context(), f, o)
		},
		ValidArgsFunction: completeLists(f),
	}
	cmd.Flags().StringVarP(&o.request.Path, "output", "o", "",
		"`PATH` to write to: FILE.tar for an OCI archive, FILE.cnb for pack, any other for the directory of an OCI layout")
	cmd.Flags().BoolVar(&o.request.Docker, "docker", false, "Load the list into the Docker daemon")
	cmd.Flags().StringVar(&o.request.Platform, "platform", "", "Load the one image for this `PLATFORM`; with --docker only")
	completeFiles(cmd, "output")
	completeValues(cmd, "platform", commonPlatforms()...)
	o.addFlags(cmd)
	o.addJobs(cmd)
	return cmd
}

func runSave(ctx context.Context, f *factory, o *saveOptions) error {
	if err := o.checkDestination(); err != nil {
		return err
	}
	c, err := f.client(o.reach, o.request.Reference)
	if err != nil {
		return err
	}
	defer c.Close()
	result, err := c.Save(ctx, o.request)
	if err != nil {
		return inList(err, o.request.Reference)
	}
	o.tell(f.streams, result)
	return f.streams.Data([]byte(result.Reference + "\n"))
}

func (o *saveOptions) checkDestination() error {
	switch {
	case o.request.Docker && o.request.Path != "":
		return index.Faultf(index.ErrUsage, "", "--output and --docker contradict each other; give one of them")
	case !o.request.Docker && o.request.Path == "":
		return index.Faultf(index.ErrUsage, "", "no destination: want --output PATH or --docker")
	case !o.request.Docker && o.request.Platform != "":
		return index.Faultf(index.ErrUsage, "--platform", "a list is saved with all of its images; one is chosen only for --docker")
	}
	return nil
}

func (o *saveOptions) tell(streams *ui.Streams, result client.SaveResult) {
	list, size := ui.Symbol(o.request.Reference), ui.Bytes(result.Bytes)
	if !o.request.Docker {
		streams.Info("Successfully saved %s to %s: %d blob(s), %s", list, ui.Symbol(result.Path), result.Blobs, size)
		return
	}
	if result.Loaded != nil {
		streams.Info("Of the list only the image for %s was loaded, as the daemon %s", nameOf(*result.Loaded), o.why())
		for _, e := range result.LeftOut {
			streams.Info("Left out: %s %s", nameOf(e), e.Digest)
		}
	}
	streams.Info("Successfully loaded %s into Docker: %d blob(s), %s", list, result.Blobs, size)
}

// why says why one image was chosen; what went before is "as the daemon".
func (o *saveOptions) why() string {
	if o.request.Platform != "" {
		return "was to get that for --platform"
	}
	return "holds no lists and takes the image that it can run"
}

// nameOf is the platform of an image, else what else is known.
func nameOf(e index.Entry) string {
	if p := e.PlatformString(); p != "" {
		return p
	}
	return "no platform"
}
