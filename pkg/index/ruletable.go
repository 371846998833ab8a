package index

import "slices"

// The rules that need more than a list: the configs of its images, their
// labels, their layers.
const (
	PlatformShadowed   RuleID = "platform-shadowed"
	PlatformUnlikely   RuleID = "platform-unlikely"
	VariantUnknown     RuleID = "variant-unknown"
	VariantMissing     RuleID = "variant-missing"
	WindowsOSVersion   RuleID = "windows-os-version"
	NoLinuxAMD64       RuleID = "no-linux-amd64"
	PlatformsRequired  RuleID = "platforms-required"
	KindMixed          RuleID = "kind-mixed"
	LabelMissing       RuleID = "label-missing"
	IDMismatch         RuleID = "id-mismatch"
	VersionMismatch    RuleID = "version-mismatch"
	MainNotInLayers    RuleID = "main-not-in-layers"
	LayerMissing       RuleID = "layer-missing"
	TargetUnsupported  RuleID = "target-unsupported"
	TargetUncovered    RuleID = "target-uncovered"
	ModulesDiffer      RuleID = "modules-differ"
	StacksDiffer       RuleID = "stacks-differ"
	APIDiffer          RuleID = "api-differ"
	APIUnsupported     RuleID = "api-unsupported"
	VersionFormat      RuleID = "version-format"
	IDFormat           RuleID = "id-format"
	ExtraLayers        RuleID = "extra-layers"
	BuilderUnreadable  RuleID = "builder-unreadable"
	BuilderLifecycle   RuleID = "builder-lifecycle-differs"
	BuilderModules     RuleID = "builder-buildpacks-differ"
	BuilderOrder       RuleID = "builder-order-differs"
	BuilderStack       RuleID = "builder-stack-differs"
	BinaryArch         RuleID = "binary-arch"
	SameLayerOtherArch RuleID = "same-layer-different-arch"
)

// The groups of rules. [Off] keeps those of integrity and demand.
const (
	GroupIntegrity = "integrity"
	GroupPlatform  = "platform"
	GroupDemand    = "demand"
	GroupIdentity  = "CNB identity"
	GroupBuilder   = "builder"
	GroupBinary    = "binary truth"
	GroupFormat    = "format"
)

// RuleInfo is what there is to know of a rule. The texts are whole sentences
// without the names of commands.
type RuleInfo struct {
	ID    RuleID
	Group string
	// Local and Publish are the severities in the two contexts.
	Local, Publish Severity
	// PublishOnly says that the rule has no say in the context Local.
	PublishOnly bool
	// Optional says that [Policy.Allow] may name the rule.
	Optional bool
	Check    string // what must hold
	Why      string // what goes wrong otherwise
	Repair   string // how to make it hold
	Source   string // the paragraph of a specification, the issue or the program that it is from
}

// RuleTable returns all rules, in the order in which they are documented. From
// it docs/rules.md is made.
func RuleTable() []RuleInfo {
	return slices.Concat(
		integrityRules(), platformSetRules(), platformNameRules(), platformTruthRules(), demandRules(),
		identityRules(), packageRules(), targetRules(), comparedRules(), formalRules(),
		builderRules(), binaryRules(), formatRules(),
	)
}

func rulesByID() map[RuleID]RuleInfo {
	table := map[RuleID]RuleInfo{}
	for _, info := range RuleTable() {
		table[info.ID] = info
	}
	return table
}
