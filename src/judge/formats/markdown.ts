/**
 * A review as Markdown, for a job summary or a note on a merge request. Curves are Mermaid
 * `xychart` blocks, which GitHub and GitLab render (docs.github.com, "Creating diagrams";
 * docs.gitlab.com, "GitLab Flavored Markdown"). Both strip inline SVG and images as data URIs.
 */

import { largerIsBetter } from '../../config/rules/metrics.js';
import type { Curve } from '../../run/curve.js';
import type { Curves } from '../../run/history.js';
import { plainMarkdown } from '../../util/markdown.js';
import { counted } from '../../util/words.js';
import { groupNotes } from '../judging/group-notes.js';
import type { RunReview } from '../judging/judge-run.js';
import type { Review, Reviewed } from '../review.js';
import { costWords, metricsOfRun } from './run-words.js';
import { oddities } from './text.js';
import {
  closingSentence,
  groupName,
  sweepSentences,
  type VerdictLine,
  verdictGroups,
} from './verdict-lines.js';

/**
 * Formats a review in at most `maxBytes` of UTF-8. If it is too long, drops the curves, then lines
 * at the end, with a line that counts them, then everything.
 */
export function formatMarkdown({ review, curves }: Reviewed, maxBytes = Number.POSITIVE_INFINITY): string {
  const head = headOf(review);
  const drawn = [...head, ...chartsOf(review, curves)].join('\n');
  if (Buffer.byteLength(drawn) < maxBytes) return `${drawn}\n`;
  return cut(head, maxBytes);
}

/** Enough for the line that counts the lines left out. */
const CLOSING_BYTES = 100;

function cut(lines: readonly string[], maxBytes: number): string {
  const kept: string[] = [];
  let bytes = CLOSING_BYTES;
  if (bytes > maxBytes) return '';
  for (const line of lines) {
    bytes += Buffer.byteLength(line) + 1;
    if (bytes > maxBytes) break;
    kept.push(line);
  }
  const left = lines.length - kept.length;
  return [
    ...kept,
    ...(left > 0 ? ['', `${counted(left, 'more line')} ${left === 1 ? 'is' : 'are'} left out.`] : []),
    '',
  ].join('\n');
}

function headOf(review: Review): string[] {
  return [
    `## ${closingSentence(review).slice(0, -1)}`,
    '',
    ...verdictTable(review),
    '',
    ...runTable(review.runs),
    ...titled('sweeps', sweepSentences(review)),
    ...review.groups.flatMap(group => titled(groupName(group), groupNotes(group))),
    ...review.runs.flatMap(run => titled(run.run_id, oddities(run))),
  ];
}

/** A list with a title; empty without lines. */
function titled(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', `**${plainMarkdown(title)}**`, '', ...listed(lines)];
}

function listed(lines: readonly string[]): string[] {
  return lines.map(line => `- ${plainMarkdown(line.trim())}`);
}

/** Failed verdicts come first, then inconclusive ones. */
function verdictTable(review: Review): string[] {
  const rows = verdictGroups(review).flatMap(({ about, lines }) => lines.map(line => ({ about, line })));
  const rank = ({ line }: { line: VerdictLine }) =>
    ['failed', 'inconclusive', 'passed', SKIPPED].indexOf(wordOf(line));
  const sorted = rows.toSorted((a, b) => rank(a) - rank(b));
  return [
    '| verdict | run | what | |',
    '| --- | --- | --- | --- |',
    ...sorted.map(
      ({ about, line }) =>
        `| ${bold(line)} | ${plainMarkdown(about)} | ${plainMarkdown(line.name)} | ${plainMarkdown(line.sentence)} |`,
    ),
  ];
}

const SKIPPED = 'not judged';

function wordOf({ verdict, skipped }: VerdictLine): string {
  return skipped ? SKIPPED : verdict;
}

function bold(line: VerdictLine): string {
  const word = wordOf(line);
  return word === 'passed' || word === SKIPPED ? word : `**${word}**`;
}

function runTable(runs: readonly RunReview[]): string[] {
  const names = [...new Set(runs.flatMap(run => metricsOfRun(run).map(([name]) => name)))];
  const rows = runs.map(run => {
    const values = new Map(metricsOfRun(run));
    const cells = [
      run.run_id,
      run.state,
      run.seed ?? '',
      ...names.map(name => values.get(name) ?? ''),
      costWords(run).join(', '),
    ];
    return `| ${cells.map(cell => plainMarkdown(String(cell))).join(' | ')} |`;
  });
  const titles = ['run', 'status', 'seed', ...names, 'cost'];
  const rules = titles.map((_, i) => (i > 1 && i < titles.length - 1 ? '---:' : '---'));
  return [`| ${titles.join(' | ')} |`, `| ${rules.join(' | ')} |`, ...rows];
}

/** Maximum number of runs in a chart. More lines cannot be distinguished. */
const MAX_LINES = 6;
/** Maximum number of points of a curve in a chart. */
const MAX_POINTS = 50;

function chartsOf({ runs, groups }: Review, curves: readonly Curves[]): string[] {
  return groups.flatMap(group => {
    const members = group.runs
      .map(id => curves[runs.findIndex(run => run.run_id === id)])
      .slice(0, MAX_LINES);
    const names = [...new Set(members.flatMap(own => Object.keys(own)))].filter(name =>
      name.startsWith('test.'),
    );
    return names.flatMap(name =>
      chart(
        `${group.name}: ${name}`,
        name,
        members.flatMap(own => own[name] ?? []),
      ),
    );
  });
}

/** A chart of the finite values. */
function chart(title: string, metric: string, curves: readonly Curve[]): string[] {
  const lines = curves.map(finitePoints).filter(points => points.length > 1);
  if (lines.length === 0) return [];
  const [from, to] = [
    Math.min(...lines.map(points => points[0].step)),
    Math.max(...lines.map(points => points[points.length - 1].step)),
  ];
  const count = Math.min(MAX_POINTS, Math.max(...lines.map(points => points.length)));
  const steps = Array.from({ length: count }, (_, i) => from + ((to - from) * i) / (count - 1));
  const drawn = lines.map(points => `  line [${steps.map(step => valueAt(points, step)).join(', ')}]`);
  return [
    '',
    '```mermaid',
    COLORS,
    'xychart-beta',
    `  title "${title.replaceAll(/["\n\r`]/g, '')}, ${largerIsBetter(metric) ? 'larger' : 'smaller'} is better"`,
    `  x-axis "step" ${from} --> ${to}`,
    ...drawn,
    '```',
  ];
}

/**
 * Mermaid's first default colour is almost invisible on white. These are visible on light and dark
 * backgrounds.
 */
const COLORS = `%%{init: {"themeVariables": {"xyChart": {"plotColorPalette": "#1f83d6, #d1631f, #2a9d5c, #a35bd0, #b5851f, #d0478f"}}}}%%`;

interface Point {
  readonly step: number;
  readonly value: number;
}

function finitePoints({ steps, values }: Curve): Point[] {
  return steps.flatMap((step, i) => {
    const value = values[i];
    return value === null ? [] : [{ step, value }];
  });
}

/** The last value measured at or before `step`. */
function valueAt(points: readonly Point[], step: number): number {
  // rounding may make `step` slightly smaller than the measured step
  const last = points.findLast(point => point.step <= step + 1e-9 * Math.abs(step)) ?? points[0];
  return Number(last.value.toPrecision(6));
}
