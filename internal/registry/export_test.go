package registry

// For fuzzing.
var (
	RetryAfter        = retryAfter
	Redact            = redact
	Printable         = printable
	ParseRegistryAuth = parseRegistryAuth
	AskHelper         = askHelper
	IsLoopback        = isLoopback
	Sleep             = sleep
)

// Unsaid is what RetryAfter returns for nothing.
const Unsaid = unsaid
