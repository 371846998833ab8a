package structure_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// linked returns the packages that the program is made of.
func linked(t *testing.T) []goPackage {
	t.Helper()
	all := goList[goPackage](t, "-deps", "./cmd/pack")
	if len(all) < 100 {
		t.Fatalf("%d packages", len(all))
	}
	return all
}

// GO-2026-6225 and the design's chapter on the supply chain: what lifecycle/auth
// brings along stays out, and so do the client of Docker (but in internal/daemon)
// and what is for tests.
func TestWhatIsNotLinked(t *testing.T) {
	t.Parallel()
	refused := []string{
		"github.com/aws/", "github.com/Azure/", "github.com/awslabs/", "github.com/chrismellard/", "cloud.google.com/", "k8s.io/",
		"github.com/moby/buildkit", "github.com/prometheus/", "github.com/buildpacks/lifecycle/auth", "github.com/buildpacks/pack",
		"github.com/GoogleContainerTools/", "google.golang.org/",
		"go.opentelemetry.io/otel/sdk", "go.opentelemetry.io/otel/exporters",
		"go.uber.org/goleak", "github.com/rogpeppe/", module + "/testhelpers", "testing", "net/http/httptest", "net/http/pprof", "expvar",
	}
	// What the client of Docker is to be known to alone, and what it alone brings.
	only := map[string][]string{
		"github.com/moby/moby/client":     {module + "/internal/daemon", "github.com/moby/moby/client"},
		"github.com/docker/docker/client": nil,
		"go.opentelemetry.io/":            {"github.com/moby/moby/client", "go.opentelemetry.io/"},
	}
	for _, p := range linked(t) {
		for _, no := range refused {
			if p.ImportPath == no || strings.HasPrefix(p.ImportPath, no) && strings.ContainsAny(no, "./") && (strings.HasSuffix(no, "/") || strings.HasPrefix(p.ImportPath, no+"/")) {
				t.Errorf("the program has %s", p.ImportPath)
			}
		}
		for _, path := range p.Imports {
			for known, places := range only {
				if strings.HasPrefix(path, known) && !slices.ContainsFunc(places, func(place string) bool { return strings.HasPrefix(p.ImportPath, place) }) {
					t.Errorf("%s imports %s", p.ImportPath, path)
				}
			}
		}
	}
}

// Each module of the program has a licence that goes with Apache-2.0.
func TestLicences(t *testing.T) {
	t.Parallel()
	allowed := []string{"Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MPL-2.0", "Unlicense"}
	seen := map[string]bool{}
	for _, p := range linked(t) {
		if p.Standard || p.Module == nil || seen[p.Module.Path] {
			continue
		}
		seen[p.Module.Path] = true
		found := licence(t, p.Module.Dir)
		if !slices.Contains(allowed, found) {
			t.Errorf("%s %s: its licence is %q", p.Module.Path, p.Module.Version, found)
		}
	}
	if len(seen) < 10 || !seen[module] {
		t.Errorf("%d modules", len(seen))
	}
}

// licence recognises a licence by its words; "" where it does not.
func licence(t *testing.T, dir string) string {
	t.Helper()
	var text string
	for _, name := range []string{"LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "COPYING", "UNLICENSE"} {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			text = strings.Join(strings.Fields(string(raw)), " ")
			break
		}
	}
	for _, known := range []struct{ name, words string }{
		{"Apache-2.0", `Apache License,? Version 2\.0`},
		{"MPL-2.0", `Mozilla Public License,? [Vv]ersion 2\.0`},
		{"MIT", `Permission is hereby granted, free of charge, to any person obtaining a copy`},
		{"ISC", `Permission to use, copy, modify, and(/or)? distribute this software for any purpose with or without fee`},
		{"BSD-3-Clause", `Redistribution and use in source and binary forms.*Neither the name.*endorse or promote`},
		{"BSD-2-Clause", `Redistribution and use in source and binary forms`},
		{"Unlicense", `free and unencumbered software released into the public domain`},
	} {
		if regexp.MustCompile(known.words).MatchString(text) {
			return known.name
		}
	}
	return ""
}

// What is recognised above is recognised, and other licences are not.
func TestLicencesAreToldApart(t *testing.T) {
	t.Parallel()
	for want, text := range map[string]string{
		"":             "GNU GENERAL PUBLIC LICENSE\n Version 3, 29 June 2007",
		"Apache-2.0":   "   Apache License\n   Version 2.0, January 2004",
		"BSD-2-Clause": "Redistribution and use in source and\nbinary forms, with or without",
		"Unlicense":    "This is free and unencumbered software released\ninto the public domain.",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "LICENSE"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := licence(t, dir); got != want {
			t.Errorf("%q is taken for %q", text, got)
		}
	}
	if got := licence(t, t.TempDir()); got != "" {
		t.Errorf("nothing is taken for %q", got)
	}
}
