package blobmsg

import (
	"math"
	"strconv"
	"strings"
	"testing"
)

func TestParseDouble(t *testing.T) {
	half := "9007199254740992.5" // between two float64s, the even one is below
	for text, want := range map[string]float64{
		"0.": 0, "-0.0": math.Copysign(0, -1), ".5": 0.5, "-.5": -0.5, "+1.5": 1.5, "12.": 12,
		"1e3": 1000, "1E-3": 0.001, "1.25e+2": 125, "0.1": 0.1, "123456789.012345": 123456789.012345,
		"1e22": 1e22, "5e-1": 0.5, "0e999999": 0, "1e300": 1e300,
		"9007199254740993.": 9007199254740992, "9007199254740995.": 9007199254740996,
		half: 9007199254740992, half + strings.Repeat("0", 2000) + "1": 9007199254740992,
		"9007199254740993." + strings.Repeat("0", 2000) + "1": 9007199254740994,
		"1.7976931348623157e308":                              math.MaxFloat64, "1.7976931348623159e308": math.Inf(1),
		"5e-324": math.SmallestNonzeroFloat64, "2.4703282292062327e-324": 0, "2.4703282292062328e-324": math.SmallestNonzeroFloat64,
		"2.2250738585072011e-308": 2.2250738585072011e-308, // a denormal next to the normal ones
		"1e999":                   math.Inf(1), "-1e999": math.Inf(-1), "1e-999": 0, "1e99999999999999999999": math.Inf(1),
		// Beyond what an int of 32 bits holds, by ten times and by more.
		"1e99999999999": math.Inf(1), "1e-99999999999": 0, "1e4294967297": math.Inf(1), "1e-4294967297": 0,
		strings.Repeat("0", 400) + "." + strings.Repeat("0", 400) + "1": 0,
		"1" + strings.Repeat("0", 500) + "e-500":                        1,
	} {
		got, ok := parseDouble(text)
		if !ok || math.Float64bits(got) != math.Float64bits(want) {
			t.Errorf("%s: %v, %v, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "-", ".", "-.", "e1", ".e1", "1e", "1e+", "1.-5", "--1", "+-1", "1.5.5", "1e2.5", "1e2e3", "0x1p3", "1_0", "inf", "NaN"} {
		if got, ok := parseDouble(text); ok {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
}

// FuzzParseDouble compares with the standard library, which takes more.
func FuzzParseDouble(f *testing.F) {
	for _, text := range []string{"1.5", "-.5e-3", "179769313486231570000e288", "2.5e-324", "12345678901234567890.12345678901234567890e-30"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want, err := strconv.ParseFloat(text, 64)
		got, ok := parseDouble(text)
		other := strings.Trim(text, "0123456789+-.eE") != "" // words, hexadecimal digits
		if taken := err == nil || math.IsInf(want, 0); ok != taken && !other || other && ok {
			t.Fatalf("%q: taken: %v, the standard library says %v", text, ok, err)
		}
		if ok && math.Float64bits(got) != math.Float64bits(want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	})
}
