/**
 * A uPlot that shares cursor and zoom instead of keeping them, with colours from the style sheet.
 */
import uPlot from 'uplot';
import { type Aligned, isolated } from './align.js';
import type { ChartProps, DrawnSeries, SharedPlace } from './chart.js';
import { formatTicks } from './format.js';
import { linearTicks, logTicks } from './scale.js';
import { tickSteps, tickText } from './x-axis.js';

/** Lines of epochs are thicker, with points while these can be distinguished. */
const MAX_POINTS = 60;
const HEIGHT = 210;

/**
 * @param shared read on each event, since it changes while the plot exists
 * @param reported set to the position under the pointer
 */
export function createPlot(
  box: HTMLElement,
  data: Aligned,
  { series, isLog, isShare, axis: xAxis }: Pick<ChartProps, 'series' | 'isLog' | 'isShare' | 'axis'>,
  shared: { readonly current: SharedPlace },
  reported: { current: number | null },
): uPlot {
  const color = (name: string) => () => getComputedStyle(box).getPropertyValue(`--${name}`).trim();
  const axis: uPlot.Axis = {
    stroke: color('soft'),
    grid: { stroke: color('grid'), width: 1 },
    ticks: { show: false },
    font: '12px system-ui, sans-serif',
  };
  const xText = (x: number | null | undefined): string =>
    x === null || x === undefined ? '' : tickText(xAxis, x);
  const plot = new uPlot(
    {
      width: Math.max(200, box.clientWidth),
      height: HEIGHT,
      // half of the last label extends beyond the plot
      padding: [8, ({ scales: { x } }) => Math.max(20, Math.ceil(widthOf(xText(x?.max)) / 2) + 2), 0, 0],
      legend: { show: false },
      cursor: {
        drag: { x: true, y: false, setScale: false },
        points: { size: 7 },
        y: false,
        bind: {
          dblclick: () => () => {
            shared.current.setRange(null);
            return null;
          },
        },
      },
      scales: {
        x: { time: false, auto: false },
        y: { distr: isLog ? 3 : 1, range: isLog ? logRange : linearRange },
      },
      axes: [
        {
          ...axis,
          incrs: tickSteps(xAxis),
          space: ({ scales: { x } }) => Math.max(50, widthOf(xText(x.max)) + 10),
          values: (_, ticks) => ticks.map(xText),
          size: 30,
        },
        {
          ...axis,
          size: (_, texts) => Math.max(62, ...(texts ?? []).map(text => widthOf(text) + 14)),
          // uPlot's own increments end at 1e16, and its axis disappears beyond; the ticks are ours,
          // so any increment works
          incrs: [Number.POSITIVE_INFINITY],
          splits: (_, __, min, max) => [...(isLog ? logTicks(min, max) : linearTicks(min, max))],
          filter: (_, ticks) => ticks,
          values: (_, ticks) => tickTexts(ticks, isShare),
        },
      ],
      series: [
        {},
        ...series.map(one => lineOf(one, color(one.color), one.smooth !== undefined)),
        ...series.flatMap(one => (one.smooth === undefined ? [] : [smoothLineOf(one, color(one.color))])),
      ],
      hooks: {
        setCursor: [
          ({ cursor: { idx, left = -1 }, data: [places] }) => {
            const place = left < 0 || idx === null || idx === undefined ? null : places[idx];
            reported.current = place;
            if (place !== shared.current.cursor) shared.current.setCursor(place);
          },
        ],
        setSelect: [made => select(made, shared.current)],
      },
    },
    data,
    box,
  );
  const observer = new ResizeObserver(() => {
    if (box.clientWidth > 0 && box.clientWidth !== plot.width)
      plot.setSize({ width: box.clientWidth, height: HEIGHT });
  });
  observer.observe(box);
  const redraw = () => plot.redraw(false, true);
  const medias = ['print', '(prefers-color-scheme: dark)'].map(query => matchMedia(query));
  for (const media of medias) media.addEventListener('change', redraw);
  plot.hooks.destroy = [
    () => {
      observer.disconnect();
      for (const media of medias) media.removeEventListener('change', redraw);
    },
  ];
  return plot;
}

/** Minimum width of digits in the axis font, in pixels. */
function widthOf(text: string): number {
  return 7.7 * text.length;
}

function tickTexts(ticks: readonly number[], isShare: boolean): string[] {
  const texts = formatTicks(isShare ? ticks.map(tick => 100 * tick) : ticks);
  return texts.map(text => `${text}${isShare ? ' %' : ''}`);
}

/** @param isBehind whether a smoothed curve is drawn over it */
function lineOf(
  { color, isDashed = false, isHidden }: DrawnSeries,
  stroke: () => string,
  isBehind: boolean,
): uPlot.Series {
  const isThin = color === 'faint' || isBehind;
  // evaluated at each drawing, since curves grow; isolated points would otherwise be invisible
  const filter = (plot: uPlot, i: number): number[] | null =>
    !isThin && hasFew(plot.data[i]) ? null : isolated(plot.data[i]);
  return {
    show: !isHidden,
    stroke,
    width: isThin ? 1 : 2,
    alpha: isBehind ? 0.35 : 1,
    ...(isDashed && { dash: [6, 4] }),
    points: { show: true, size: isThin ? 4 : 6, fill: stroke, stroke, filter },
  };
}

function smoothLineOf({ isDashed = false, isHidden }: DrawnSeries, stroke: () => string): uPlot.Series {
  return {
    show: !isHidden,
    stroke,
    width: 2,
    ...(isDashed && { dash: [6, 4] }),
    points: { show: true, size: 4, fill: stroke, stroke, filter: (plot, i) => isolated(plot.data[i]) },
  };
}

function hasFew(values: uPlot.AlignedData[number]): boolean {
  let count = 0;
  for (const value of values) if (value !== null && value !== undefined) count += 1;
  return count <= MAX_POINTS;
}

function select(plot: uPlot, shared: SharedPlace): void {
  const { left, width } = plot.select;
  if (width < 4) return;
  shared.setRange([plot.posToVal(left, 'x'), plot.posToVal(left + width, 'x')]);
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
}

/** Adds a margin of a tenth; a constant gets a margin as well. */
function linearRange(_: uPlot, min: number | null, max: number | null): [number, number] {
  if (min === null || max === null) return [0, 1];
  const room = (max - min || Math.abs(max) || 1) * 0.06;
  return [min >= 0 && min - room < 0 ? 0 : min - room, max + room];
}

function logRange(_: uPlot, min: number | null, max: number | null): [number, number] {
  if (min === null || max === null) return [0.1, 1];
  // of the logarithms, since the ratio may overflow
  const room = Math.max(1.05, Math.exp((Math.log(max) - Math.log(min)) * 0.05));
  return [min / room, max * room];
}
