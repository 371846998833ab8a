package ui

import "fmt"

// Bytes returns a size for people, in units of 1000.
func Bytes(n int64) string {
	value, unit := scaled(n, n)
	if unit == "B" {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}

// bytesOf returns how much of a size there is, in the unit of the size.
func bytesOf(part, whole int64) string {
	value, unit := scaled(part, whole)
	if unit == "B" {
		return fmt.Sprintf("%d/%d B", part, whole)
	}
	all, _ := scaled(whole, whole)
	return fmt.Sprintf("%.1f/%.1f %s", value, all, unit)
}

// scaled returns n in the unit that fits another number.
func scaled(n, to int64) (value float64, unit string) {
	const step = 1000
	value, limit := float64(n), float64(to)
	for _, unit := range []string{"B", "kB", "MB", "GB", "TB", "PB"} {
		if limit < step {
			return value, unit
		}
		value, limit = value/step, limit/step
	}
	return value, "EB"
}
