package store_test

import (
	"context"
	"errors"

	"github.com/buildpacks-community/pack-manifest/internal/store"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

func runOnUnix(context.Context, job, *store.Dir, index.Name) error { return errors.New("no such job") }
