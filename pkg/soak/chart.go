package soak

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"time"
)

// The drawing, in pixels.
const (
	width, height            = 960, 440
	left, right, top, bottom = 70, 20, 56, 50
)

// colors are those of the lines, one after the other.
var colors = [...]string{"#1b6ca8", "#d1495b", "#3a7d44", "#8d5a97", "#c98a1b"}

// chart draws lines over time.
type chart struct {
	b        bytes.Buffer
	most     float64 // MiB
	duration time.Duration
	lines    int
}

// SVG draws the memory of each server over time, and where its steady load's line goes.
func (r Report) SVG() []byte {
	c := &chart{most: 1, duration: time.Second}
	for _, s := range r.Servers {
		for _, sample := range s.Samples {
			c.most = max(c.most, float64(sample.RSS)/mib)
			c.duration = max(c.duration, sample.At)
		}
	}
	c.axes()
	for _, s := range r.Servers {
		c.line(fmt.Sprintf("RSS, %d workers", s.Workers), s.Samples, func(s Sample) float64 { return float64(s.RSS) / mib })
	}
	if n := len(r.Servers); n > 0 {
		s := r.Servers[n-1]
		c.line(fmt.Sprintf("Go heap, %d workers", s.Workers), s.Samples, func(s Sample) float64 { return float64(s.Heap) / mib })
		c.trend(s)
	}
	c.b.WriteString("</svg>\n")
	return c.b.Bytes()
}

func (c *chart) x(at time.Duration) float64 {
	return left + float64(at)/float64(c.duration)*(width-left-right)
}

func (c *chart) y(mib float64) float64 {
	return height - bottom - mib/c.most*(height-top-bottom)
}

// axes begins the drawing: a title, and lines at round values with their units.
func (c *chart) axes() {
	fmt.Fprintf(&c.b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n",
		width, height, width, height)
	fmt.Fprintf(&c.b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", width, height)
	c.text(left, 20, "start", "Memory of the server under load")
	step := round(c.most / 6)
	c.most = math.Ceil(c.most/step) * step
	for v := 0.0; v <= c.most; v += step {
		fmt.Fprintf(&c.b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#dddddd"/>`+"\n", left, width-right, c.y(v), c.y(v))
		c.text(left-8, c.y(v)+4, "end", fmt.Sprintf("%g MiB", v))
	}
	unit, name := unitOf(c.duration)
	every := round(float64(c.duration) / float64(unit) / 10)
	for v := 0.0; time.Duration(v*float64(unit)) <= c.duration; v += every {
		x := c.x(time.Duration(v * float64(unit)))
		fmt.Fprintf(&c.b, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="#999999"/>`+"\n", x, x, height-bottom, height-bottom+5)
		c.text(x, height-bottom+20, "middle", fmt.Sprintf("%g", v))
	}
	c.text((left+width-right)/2, height-8, "middle", "time since the start, "+name)
}

// line draws one line and its place in the legend.
func (c *chart) line(name string, samples []Sample, value func(Sample) float64) {
	color := colors[c.lines%len(colors)]
	fmt.Fprintf(&c.b, `<polyline fill="none" stroke="%s" stroke-width="1.5" points="`, color)
	for _, s := range samples {
		fmt.Fprintf(&c.b, "%.1f,%.1f ", c.x(s.At), c.y(value(s)))
	}
	c.b.WriteString(`"/>` + "\n")
	c.legend(name, color, "")
}

func (c *chart) legend(name, color, dashes string) {
	x := float64(left + 175*c.lines)
	fmt.Fprintf(&c.b, `<line x1="%.0f" x2="%.0f" y1="38" y2="38" stroke="%s" stroke-width="3" stroke-dasharray="%s"/>`+"\n", x, x+22, color, dashes)
	c.text(x+28, 42, "start", name)
	c.lines++
}

// trend draws the line whose slope is judged.
func (c *chart) trend(s Server) {
	steady := s.steady()
	if len(steady) < 2 {
		return
	}
	t := trendOf(steady, values[0].of)
	from, to := steady[len(steady)/2].At, steady[len(steady)-1].At
	half := t.PerHour * t.Over.Hours() / 2
	fmt.Fprintf(&c.b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#000000" stroke-width="2" stroke-dasharray="6 4"/>`+"\n",
		c.x(from), c.y((t.Median-half)/mib), c.x(to), c.y((t.Median+half)/mib))
	c.legend(fmt.Sprintf("trend, %+.0f MiB an hour", t.PerHour/mib), "#000000", "6 4")
}

func (c *chart) text(x, y float64, anchor, text string) {
	fmt.Fprintf(&c.b, `<text x="%.1f" y="%.1f" text-anchor="%s" fill="#333333">`, x, y, anchor)
	_ = xml.EscapeText(&c.b, []byte(text)) // a buffer takes all
	c.b.WriteString("</text>\n")
}

// unitOf gives the unit of a time axis.
func unitOf(d time.Duration) (time.Duration, string) {
	switch {
	case d > 3*time.Hour:
		return time.Hour, "hours"
	case d > 5*time.Minute:
		return time.Minute, "minutes"
	}
	return time.Second, "seconds"
}

// round gives 1, 2 or 5 times a power of ten, not less than v.
func round(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, n := range [...]float64{1, 2, 5} {
		if v <= n*power {
			return n * power
		}
	}
	return 10 * power
}
