/**
 * A review as a JUnit report, which Jenkins and GitLab read: a test suite for each run (and for
 * what is judged of several), a test case for each verdict; failed is a failure, inconclusive an
 * error, what was not looked at is skipped. Elements and attributes are those of the schema that
 * Jenkins' xunit plugin checks reports with (junit-10.xsd). Suites and cases have the same names at
 * every review, and no two cases have the same, since both programs tell them apart by these and
 * keep their history.
 */
import { basename } from 'node:path';
import { gateName } from '../../experiment/judging/gate-words.js';
import type { GateResult } from '../../experiment/summary.js';
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
 * Names that were given before get a number, in the order of the review; as they are in the file,
 * since two may differ in what has no place there.
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
    // what was run counts once, where it is asked whether it completed
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

/** With what a gate asks for, since there may be several of one metric. */
function caseName({ name, gate }: VerdictLine): string {
  if (gate === undefined) return name;
  return `${gateName(gate)} ${askedWords(gate)}`;
}

/**
 * `>= 0.97 and <= 1`, `max_drop 0.005 of b.json`: without what a baseline made of it, and without a
 * path of the machine.
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

/** XML 1.0 has no control characters, not even as references, and no lone surrogates. */
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
