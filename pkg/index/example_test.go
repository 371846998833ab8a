package index_test

import (
	"errors"
	"fmt"
	"log"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// exampleEntry returns an entry for a Linux image.
func exampleEntry(content, arch string) index.Entry {
	return index.Entry{Descriptor: v1.Descriptor{
		MediaType: types.OCIManifestSchema1,
		Digest:    index.DigestOf([]byte(content)),
		Size:      int64(len(content)),
		Platform:  &v1.Platform{OS: "linux", Architecture: arch},
	}}
}

// A list that nobody edits keeps its bytes, however it is written.
func ExampleParse() {
	doc := []byte(`{"mediaType":"application/vnd.oci.image.index.v1+json", "schemaVersion":2, "manifests":[]}`)
	list, err := index.Parse(doc)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(list.Format(), list.Len(), list.Digest() == index.DigestOf(doc))

	_, err = index.Parse([]byte(`{"schemaVersion":2,"manifests":[],"Manifests":[]}`))
	fmt.Println(err, errors.Is(err, index.ErrInvalid))
	// Output:
	// oci 0 true
	// member "manifests" is spelled "Manifests" true
}

// All edits are carried out, or none, and the list that they began with stays.
func ExampleIndex_Apply() {
	empty := index.New(index.OCI)
	list, diff, err := empty.Apply(
		index.Add(exampleEntry("one", "amd64"), exampleEntry("two", "arm64")),
		index.Annotate(index.ByPlatform(v1.Platform{OS: "linux", Architecture: "arm64"}), map[string]string{"tested": "yes"}),
		index.AnnotateIndex(map[string]string{"org.opencontainers.image.version": "1.2.3"}),
	)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(empty.Len(), list.Len(), len(diff.Added))
	for _, e := range list.Entries() {
		fmt.Println(e.PlatformString(), e.Annotations)
	}

	which, err := index.ParseSelector("linux/s390x")
	if err != nil {
		log.Fatal(err)
	}
	_, _, err = list.Apply(index.Remove(which))
	fmt.Println(errors.Is(err, index.ErrNotFound))
	// Output:
	// 0 2 2
	// linux/amd64 map[]
	// linux/arm64 map[tested:yes]
	// true
}

// Rules find what is wrong; Judge says what of it stops.
func ExampleIndex_Check() {
	list, _, err := index.New(index.OCI).Apply(index.Add(exampleEntry("one", ""), exampleEntry("two", "x86_64")))
	if err != nil {
		log.Fatal(err)
	}
	found := list.Check(index.PlatformPresent(nil), index.KnownPlatforms)
	for _, context := range []index.Context{index.Local, index.Publish} {
		judged, err := index.Judge(found, context)
		for _, f := range judged {
			fmt.Printf("%s: %s (%s)\n", f.Severity, f.Message, f.Rule)
		}
		fmt.Println("stopped by:", err)
	}
	// Output:
	// warning: the image has no architecture (platform-missing)
	// warning: unknown architecture "x86_64", did you mean amd64? (platform-unknown)
	// stopped by: <nil>
	// error: the image has no architecture (platform-missing)
	// warning: unknown architecture "x86_64", did you mean amd64? (platform-unknown)
	// stopped by: the image has no architecture (platform-missing)
}

func ExampleParseName() {
	for _, typed := range []string{"nginx", "index.docker.io/library/nginx:latest", "localhost:5000/bp:1", "a/../b"} {
		name, err := index.ParseName(typed)
		if err != nil {
			fmt.Println("refused:", typed)
			continue
		}
		fmt.Println(name.Familiar(), "is", name)
	}
	// Output:
	// nginx:latest is index.docker.io/library/nginx:latest
	// nginx:latest is index.docker.io/library/nginx:latest
	// localhost:5000/bp:1 is localhost:5000/bp:1
	// refused: a/../b
}

func ExampleIndex_RawManifest() {
	raw, err := index.New(index.OCI).RawManifest()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(raw))
	// Output:
	// {
	//   "schemaVersion": 2,
	//   "mediaType": "application/vnd.oci.image.index.v1+json",
	//   "manifests": []
	// }
}
