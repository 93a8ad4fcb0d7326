// Draws a chart from the table below it (macro chart): the first column names the points, each
// further column is a line or a group of bars. Loaded only by pages that have one.
import { BarChart, LineChart } from "echarts/charts";
import { AriaComponent, GridComponent, LegendComponent, TooltipComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";

use([
  AriaComponent,
  BarChart,
  CanvasRenderer,
  GridComponent,
  LegendComponent,
  LineChart,
  TooltipComponent,
]);

function token(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function read(table) {
  const heads = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
  const rows = [...table.tBodies[0].rows].map((row) => [...row.cells]);
  return {
    points: rows.map((cells) => cells[0].textContent.trim()),
    series: heads.slice(1).map((name, at) => ({
      name,
      values: rows.map((cells) => Number(cells[at + 1].dataset.value)),
    })),
  };
}

function look(kind, { points, series }) {
  const ink = token("--ink-2");
  const size = parseFloat(getComputedStyle(document.body).fontSize) * 0.85;
  const text = { color: ink, fontFamily: token("--sans"), fontSize: size };
  const value = { type: "value", axisLabel: text, splitLine: { lineStyle: { color: token("--line") } } };
  return {
    animation: !matchMedia("(prefers-reduced-motion: reduce)").matches,
    animationDuration: 300,
    aria: { enabled: true, decal: { show: series.length > 1 && kind === "bar" } },
    color: [1, 2, 3, 4].map((n) => token(`--series-${n}`)),
    textStyle: text,
    grid: { left: 8, right: 8, top: series.length > 1 ? 40 : 16, bottom: 8, containLabel: true },
    legend: { show: series.length > 1, top: 0, left: 0, textStyle: text },
    tooltip: { trigger: "axis", renderMode: "richText" },
    xAxis: { type: "category", data: points, axisLabel: text, axisTick: { show: false } },
    yAxis: value,
    series: series.map(({ name, values }, at) => ({
      name,
      type: kind,
      data: values,
      barMaxWidth: 28,
      lineStyle: { type: ["solid", "dashed", "dotted"][at % 3] },
      symbolSize: 7,
    })),
  };
}

function drawOne(figure) {
  const canvas = figure.querySelector(".chart-canvas");
  const table = figure.querySelector("table");
  canvas.hidden = false;
  figure.dataset.drawn = "yes";
  figure.querySelector("details")?.removeAttribute("open");
  const chart = init(canvas);
  chart.setOption(look(figure.dataset.chart, read(table)));
  new ResizeObserver(() => chart.resize()).observe(canvas);
}

export function draw() {
  document.querySelectorAll("[data-chart]:not([data-drawn])").forEach(drawOne);
}
