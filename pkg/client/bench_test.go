package client_test

import (
	"fmt"
	"strconv"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/client"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// thousand keeps a list of a thousand entries, of which nothing else is kept.
func (l *lab) thousand() {
	l.t.Helper()
	var entries []v1.Descriptor
	for i := range 1000 {
		entries = append(entries, v1.Descriptor{
			MediaType: index.OCI.ImageType(), Size: 1000, Digest: index.DigestOf([]byte(strconv.Itoa(i))),
			Platform: &v1.Platform{OS: "windows", Architecture: "amd64", OSVersion: "10.0." + strconv.Itoa(i)},
		})
	}
	l.theirs("acme_list", string(index.OCI.IndexType()), entries...)
}

// One edit of a list of a thousand entries, fsync included. performance.md: at
// most 15 ms of CPU in all.
func BenchmarkAnnotate1000(b *testing.B) {
	l := newLab(b)
	l.thousand()
	annotate := func(i int) {
		_, err := l.Annotate(b.Context(), client.AnnotateRequest{
			Name: "acme/list", Entry: "windows/amd64:10.0.500", Annotations: map[string]string{"k": strconv.Itoa(i)},
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	annotate(-1) // takes the list over
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		annotate(i)
	}
	if n := len(l.reg.Requests()); n > 0 {
		b.Errorf("%d requests", n)
	}
}

// A list of twelve images of its own repository, published to a tag.
func BenchmarkCreatePublish12(b *testing.B) {
	l := newLab(b)
	var refs []string
	for i := range 12 {
		refs = append(refs, fmt.Sprintf("acme/bp:%d", i))
		l.image(refs[i], "linux/amd64:"+strconv.Itoa(i))
	}
	l.reg.Reset()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		c := l.open() // as every run of the program
		_, err := c.Create(b.Context(), client.CreateRequest{Name: l.at("acme/bp:list" + strconv.Itoa(i)), Sources: l.all(refs), Publish: true})
		c.Close()
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(l.reg.Requests()))/float64(i), "requests/op")
}
