package commands

import (
	"github.com/buildpacks-community/pack-manifest/internal/ui"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// tellPlanned tells what a dry run would do, a line each.
func tellPlanned(streams *ui.Streams, s index.Step) {
	what, place := plannedStep(s)
	switch {
	case what == "":
	case s.Skipped:
		streams.Info("Would skip %s: %s has it already", what, place)
	case s.Kind == index.StepMount:
		streams.Info("Would mount %s from %s in %s", what, s.From.Name(), place)
	case s.Kind == index.StepUpload:
		streams.Info("Would upload %s (%s) to %s, unless it is there", what, ui.Bytes(s.Size), place)
	case s.Kind == index.StepTag:
		streams.Info("Would tag %s", place)
	case s.Kind == index.StepReferrers:
		streams.Info("Would list %s at %s, unless the registry does", what, place)
	default:
		streams.Info("Would put %s (%s) to %s", what, ui.Bytes(s.Size), place)
	}
}

// plannedStep names what a step is about and where it goes. Reading the list
// back is no step that anyone plans with.
func plannedStep(s index.Step) (what, place string) {
	switch s.Kind {
	case index.StepVerify:
		return "", ""
	case index.StepList:
		return "the list " + s.Digest.String(), s.To.Name() + ":" + s.Tag
	case index.StepTag:
		return "the tag", s.To.Name() + ":" + s.Tag
	case index.StepReferrer:
		return referrerName(s) + " " + s.Digest.String() + ofEntry(s.Entry), placeOf(s)
	case index.StepReferrers:
		return "what refers to " + s.Digest.String(), placeOf(s)
	case index.StepChild:
		platform := ""
		if s.Entry != nil {
			platform = s.Entry.PlatformString()
		}
		return "image " + orNone(platform) + " " + s.Digest.String(), s.To.Name()
	default:
		return s.Digest.String(), s.To.Name()
	}
}
