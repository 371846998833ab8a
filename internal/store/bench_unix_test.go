//go:build unix

package store_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/buildpacks-community/pack-manifest/internal/store"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// thousand makes a list of 1000 entries, each with manifest and config.
func thousand(b *testing.B) (d *store.Dir, n index.Name) {
	b.Helper()
	d = store.New(store.Options{Root: filepath.Join(b.TempDir(), "manifests")})
	n = mustName(b, subject)
	var images []image
	var blobs []index.Blob
	for i := range 1000 {
		img := newImage(fmt.Sprintf("seed-%04d", i))
		img.entry.Origin = index.Origin{
			Kind: index.SourceRegistry, Ref: fmt.Sprintf("registry.example.com/acme/bp:1.2.3-%04d", i),
			Repository: "registry.example.com/acme/bp", Pin: img.entry.Digest,
		}
		images = append(images, img)
		blobs = append(blobs, img.blobs()[:2]...)
	}
	began := time.Now()
	update(b, d, n, blobs, create(images...))
	b.Logf("made in %v", time.Since(began))
	return d, n
}

// BenchmarkUpdate1000 changes one entry of 1000, fsync included: one read, one
// commit. cpu-ms is what the process used, user and system.
func BenchmarkUpdate1000(b *testing.B) {
	d, n := thousand(b)
	i := 0
	measure(b, func() {
		i++
		update(b, d, n, nil, func(old *index.Index) (index.Index, error) {
			set := map[string]string{"note": strconv.Itoa(i)}
			return apply(*old, index.Annotate(index.ByDigest(newImage("seed-0500").entry.Digest), set))
		})
	})
}

// BenchmarkAddRemove1000 adds an entry with its content to 1000 and removes it.
func BenchmarkAddRemove1000(b *testing.B) {
	d, n := thousand(b)
	extra := newImage("extra")
	measure(b, func() {
		update(b, d, n, content(extra), add(extra))
		update(b, d, n, nil, remove(extra))
	})
}

// BenchmarkGet1000 reads a list of 1000 entries.
func BenchmarkGet1000(b *testing.B) {
	d, n := thousand(b)
	measure(b, func() { get(b, d, n) })
}

func measure(b *testing.B, do func()) {
	b.Helper()
	b.ReportAllocs()
	runtime.GC()
	before := cpu(b)
	for b.Loop() {
		do()
	}
	b.ReportMetric(float64((cpu(b)-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
}

// cpu is the processor time that the process has used.
func cpu(tb testing.TB) time.Duration {
	tb.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
