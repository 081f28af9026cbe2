/**
 * A review as a JUnit report for Jenkins and GitLab: a test suite for each run or group, and a test
 * case for each verdict. `failed` is a failure, `inconclusive` an error, and a check that was not
 * made is skipped. Elements and attributes follow the schema of Jenkins' xunit plugin
 * (junit-10.xsd). Both programs identify suites and cases by name to keep their history, so names
 * are unique and do not change between reviews.
 */
import { basename } from 'node:path';
import type { GateResult } from '../../run/summary.js';
import { gateName } from '../../run/words.js';
import type { Review } from '../review.js';
import { type VerdictGroup, type VerdictLine, verdictGroups } from './verdict-lines.js';

export function formatJunit(review: Review): string {
  const groups = verdictGroups(review);
  const all = groups.flatMap(({ lines }) => lines);
  const { tests, failures, errors } = counts(all);
  const unique = distinguisher('.');
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="cellrun review" tests="${tests}" failures="${failures}" errors="${errors}">`,
    ...groups.flatMap(group => suite(group, unique(group.identity))),
    '</testsuites>',
    '',
  ].join('\n');
}

/**
 * Returns a function that makes names unique by appending a number to repeated ones. Compares names
 * as written in the file, since two may differ only in characters that XML does not allow.
 */
function distinguisher(mark: string): (name: string) => string {
  const given = new Set<string>();
  return text => {
    const name = legal(text);
    let unique = name;
    for (let n = 2; given.has(unique); n++) unique = `${name}${mark}${n}`;
    given.add(unique);
    return unique;
  };
}

function suite({ about, run, lines, notes }: VerdictGroup, name: string): string[] {
  const { tests, failures, errors, skipped } = counts(lines);
  const time = seconds(run?.duration_s ?? 0);
  const stamp = run?.started == null ? '' : ` timestamp="${xml(run.started.slice(0, 19))}"`;
  const unique = distinguisher(' #');
  const properties = { about, ...(run && { directory: run.directory, run_id: run.run_id }) };
  return [
    `  <testsuite name="${xml(name)}" tests="${tests}" failures="${failures}" errors="${errors}" skipped="${skipped}" time="${time}"${stamp}>`,
    '    <properties>',
    ...Object.entries(properties).map(
      ([key, value]) => `      <property name="${key}" value="${xml(value)}"/>`,
    ),
    '    </properties>',
    // the run's time counts once, for the case `completed`
    ...lines.flatMap((line, i) =>
      testcase(line, { name: unique(caseName(line)), classname: name, time: i === 0 ? time : seconds(0) }),
    ),
    ...(notes.length === 0 ? [] : [`    <system-out>${xml(notes.join('\n'))}</system-out>`]),
    '  </testsuite>',
  ];
}

function seconds(value: number): string {
  return value.toFixed(3);
}

/** Includes the condition of a gate, since there may be several gates on one metric. */
function caseName({ name, gate }: VerdictLine): string {
  if (gate === undefined) return name;
  return `${gateName(gate)} ${askedWords(gate)}`;
}

/**
 * `>= 0.97 and <= 1`, `max_drop 0.005 of b.json`: without values from the baseline, and without
 * directories.
 */
function askedWords({ min, max, max_drop, max_regress, beats, by, baseline }: GateResult): string {
  const bounds = [
    ...(min === undefined ? [] : [`>= ${min}`]),
    ...(max === undefined ? [] : [`<= ${max}`]),
    ...(max_drop === undefined ? [] : [`max_drop ${max_drop}`]),
    ...(max_regress === undefined ? [] : [`max_regress ${max_regress}`]),
    ...(beats === undefined ? [] : [`beats ${beats}${by === undefined ? '' : ` by ${by}`}`]),
  ];
  return `${bounds.join(' and ')}${baseline === undefined ? '' : ` of ${basename(baseline)}`}`;
}

function testcase(line: VerdictLine, attributes: Readonly<Record<string, string>>): string[] {
  const list = Object.entries(attributes).map(([key, value]) => ` ${key}="${xml(value)}"`);
  const head = `    <testcase${list.join('')}`;
  const element = elementOf(line);
  if (element === undefined) return [`${head}/>`];
  const message = `message="${xml(line.sentence)}"`;
  const inner =
    element === 'skipped'
      ? `<skipped ${message}/>`
      : `<${element} ${message} type="${line.verdict}">${xml(line.sentence)}</${element}>`;
  return [`${head}>`, `      ${inner}`, '    </testcase>'];
}

function elementOf({ verdict, skipped }: VerdictLine): 'failure' | 'error' | 'skipped' | undefined {
  if (skipped) return 'skipped';
  if (verdict === 'passed') return undefined;
  return verdict === 'failed' ? 'failure' : 'error';
}

function counts(lines: readonly VerdictLine[]) {
  const elements = lines.map(elementOf);
  const count = (wanted: string) => elements.filter(element => element === wanted).length;
  return {
    tests: lines.length,
    failures: count('failure'),
    errors: count('error'),
    skipped: count('skipped'),
  };
}

/** Replaces characters that XML 1.0 forbids even as references: controls, lone surrogates. */
function legal(text: string): string {
  return text.replaceAll(/(?![\t\n\r])\p{Cc}|\p{Cs}|[\ufffe\uffff]/gu, '\ufffd');
}

function xml(text: string): string {
  return legal(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll('\n', '&#10;')
    .replaceAll('\r', '&#13;')
    .replaceAll('\t', '&#9;');
}
