package index

import v1 "github.com/google/go-containerregistry/pkg/v1"

// FormatPlatform returns the text that [ParsePlatform] reads.
func FormatPlatform(p v1.Platform) string { return p.String() }
