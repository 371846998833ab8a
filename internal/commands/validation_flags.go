package commands

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/buildpacks-community/pack-manifest/pkg/client"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// validationFlags say what the rules shall do.
type validationFlags struct {
	mode, require string
	allow         []string
	deep          bool
	required      func() bool // whether require was given, if only as an empty text
}

// addDeep adds the flag that has layers read, for commands that look at what is
// to be published.
func (v *validationFlags) addDeep(cmd *cobra.Command, front string) {
	cmd.Flags().BoolVar(&v.deep, "deep", false, front+"Read the layers of packages that are in a registry alone, too, and look into their programs")
}

func (v *validationFlags) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&v.mode, "validate", "auto", "`MODE` of the rules: auto, strict (warnings are errors) or off (integrity only)")
	flags.StringSliceVar(&v.allow, "allow", nil, "Make notes of what these `RULES` find (repeatable, or separated by commas)")
	flags.StringVar(&v.require, "require", "", "`PLATFORMS` that the list must have, separated by commas; with + at the end it may have others")
	v.required = func() bool { return flags.Changed("require") }
	completeValues(cmd, "require", commonPlatforms()...)
	completeValues(cmd, "validate", "auto", "strict", "off")
	var rules []string
	for _, r := range index.RuleTable() {
		if r.Optional {
			rules = append(rules, string(r.ID))
		}
	}
	completeValues(cmd, "allow", rules...)
}

// parse reads the flags and reports all faults together.
func (v *validationFlags) parse() (client.Validation, error) {
	validation := client.Validation{Deep: v.deep}
	var faults []error
	var err error
	validation.Policy.Mode, err = index.ParseMode(v.mode)
	faults = append(faults, err)
	for _, text := range v.allow {
		rule, err := index.ParseRuleID(strings.TrimSpace(text))
		faults = append(faults, err)
		validation.Policy.Allow = append(validation.Policy.Allow, rule)
	}
	if v.required() {
		required, err := index.ParseRequired(v.require)
		faults = append(faults, err)
		validation.Require = &required
	}
	if err := errors.Join(faults...); err != nil {
		return client.Validation{}, err
	}
	return validation, validation.Policy.Check()
}
