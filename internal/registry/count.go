package registry

import (
	"context"
	"io"
)

// countEvery is how many bytes pass before somebody is told of them.
const countEvery = 64 << 10

// sent is told of the bytes of one blob that are on their way.
type sent func(bytes int64)

// counted lets who watches a step know how much of its blob was read, of which rc
// is what comes after the first bytes: before the first Read, since what begins
// anew goes back, after each countEvery bytes, and at the end.
func counted(ctx context.Context, rc io.ReadCloser, from int64) io.ReadCloser {
	tell, ok := ctx.Value(keySent).(sent)
	if !ok {
		return rc
	}
	return &counter{ReadCloser: rc, tell: tell, got: from, told: -1}
}

type counter struct {
	io.ReadCloser
	tell      sent
	got, told int64 // told is -1 before the first
}

// Read implements io.Reader.
func (c *counter) Read(p []byte) (int, error) {
	if c.told < 0 {
		c.tellOf(c.got)
	}
	n, err := c.ReadCloser.Read(p)
	c.got += int64(n)
	if c.got-c.told >= countEvery || err != nil && c.got > c.told {
		c.tellOf(c.got)
	}
	return n, err
}

func (c *counter) tellOf(bytes int64) {
	c.told = bytes
	c.tell(bytes)
}
