package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/moby/client"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// Holds tells what the daemon can hold: whole lists, or else the images of its
// own platform, which it returns, normalised.
func (c *Client) Holds(ctx context.Context) (lists bool, platform v1.Platform, err error) {
	conn, err := c.reach(ctx)
	if err != nil {
		return false, v1.Platform{}, err
	}
	info, err := conn.info(ctx)
	if err != nil {
		return false, v1.Platform{}, err
	}
	// What containerd calls its snapshotters stands in the status of the driver.
	lists = slices.Contains(info.DriverStatus, [2]string{"driver-type", "io.containerd.snapshotter.v1"})
	platform = index.NormalizePlatform(v1.Platform{OS: info.OSType, Architecture: info.Architecture})
	// The machine, as uname calls it.
	if strings.HasPrefix(platform.Architecture, "armv") {
		platform.Architecture, platform.Variant = "arm", strings.TrimRight(platform.Architecture[len("arm"):], "hl")
	}
	if platform.OS == "windows" {
		platform.OSVersion = info.OSVersion
	}
	return lists, platform, nil
}

// Load has the daemon load the archive that write writes, which is streamed.
// Names in it that the daemon has are moved. Errors are those of write, and of
// the kinds ErrUnreachable, ErrDenied and ErrRefused, and then the daemon may
// have loaded a part.
func (c *Client) Load(ctx context.Context, write func(io.Writer) error) error {
	conn, err := c.reach(ctx)
	if err != nil {
		return err
	}
	r, w := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := write(w)
		written <- errors.Join(err, w.CloseWithError(err))
	}()
	// The pipe is closed here alone, with an error that is known again: a daemon
	// that has heard enough lets the writer end.
	err = conn.load(ctx, struct{ io.Reader }{r})
	closeErr := r.CloseWithError(errHeard)
	writeErr := <-written
	if writeErr != nil && !errors.Is(writeErr, errHeard) {
		return writeErr // the daemon had to fail, too
	}
	return errors.Join(err, closeErr)
}

// errHeard ends the writing of what the daemon does not read any more.
var errHeard = errors.New("the daemon does not read on")

func (conn *connection) load(ctx context.Context, archive io.Reader) (err error) {
	r, err := conn.api.ImageLoad(ctx, archive, client.ImageLoadWithQuiet(true))
	if err != nil {
		return conn.fault(ctx, conn.thing(), err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for messages := json.NewDecoder(r); ; {
		var message struct {
			Error string `json:"error"`
		}
		err := messages.Decode(&message)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("%s: %w", conn.thing(), context.Cause(ctx))
		case err != nil:
			return index.Faultf(index.ErrUnreachable, conn.thing(), "it stopped while it loaded: %w", err)
		case message.Error != "":
			return index.Faultf(index.ErrRefused, conn.thing(), "it cannot load: %s", message.Error)
		}
	}
}
