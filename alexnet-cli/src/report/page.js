// Puts a chart that zooms and answers the mouse in the place of each drawn one.
(() => {
  const whole = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000];
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function chart(figure) {
    const { title, counts, curves } = JSON.parse(figure.querySelector("script").textContent);
    const drawn = [...figure.querySelectorAll(".drawn")];
    const data = uPlot.join(curves.map((curve) => [curve.x, curve.y]));
    const value = (self, y) => (y == null ? "–" : y.toPrecision(4));
    const size = () => ({ width: figure.clientWidth, height: figure.clientWidth < 600 ? 260 : 340 });
    let plot = null;
    const draw = () => {
      const axis = {
        stroke: color("--faint"),
        grid: { stroke: color("--grid"), width: 1 },
        ticks: { stroke: color("--grid"), width: 1 },
        font: "12px system-ui, sans-serif",
      };
      const series = curves.map((curve) => ({
        label: curve.name,
        stroke: color(curve.ink),
        width: 2,
        dash: curve.dashed ? [5, 4] : undefined,
        spanGaps: true,
        points: { show: curve.x.length < 2 },
        value,
      }));
      const options = {
        ...size(),
        title,
        legend: { markers: { dash: (self, index) => (curves[index - 1]?.dashed ? "dashed" : "solid") } },
        cursor: { y: false, focus: { prox: 30 } },
        focus: { alpha: 0.4 },
        scales: { x: { time: false }, y: { range: (self, low, high) => [Math.min(0, low), high * 1.05 || 1] } },
        axes: [{ ...axis, grid: { show: false }, incrs: counts ? whole : undefined }, { ...axis, size: 48 }],
        series: [{ label: "epoch", value: (self, x) => (x == null ? "–" : +x.toFixed(2)) }, ...series],
      };
      plot?.destroy();
      plot = new uPlot(options, data, figure);
    };
    drawn.forEach((element) => (element.hidden = true));
    try {
      draw();
    } catch (error) {
      drawn.forEach((element) => (element.hidden = false));
      throw error;
    }
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    addEventListener("resize", () => plot.setSize(size()));
  }

  document.querySelectorAll("figure.chart").forEach(chart);
})();
