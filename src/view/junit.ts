/**
 * JUnit reports for Jenkins and GitLab: a test suite for each subject, and a test case for each of
 * its verdicts. `failed` is a failure, `inconclusive` an error, and a check that was not made is
 * skipped. Elements and attributes follow the schema of Jenkins' xunit plugin (junit-10.xsd). Both
 * programs identify suites and cases by name to keep their history, so names are unique and do not
 * change between reviews.
 */
import { escapeMarkup } from '../util/table.js';
import type { Block, Judgement, Subject } from './blocks.js';

export function junitOf(blocks: readonly Block[]): string {
  const subjects = blocks.filter(block => block.kind === 'subject');
  const { skipped: _, ...total } = counts(subjects.flatMap(({ judgements }) => judgements));
  const unique = distinguisher('.');
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites${attributes({ name: 'cellrun review', ...total })}>`,
    ...subjects.flatMap(subject => suite(subject, unique(subject.identity))),
    '</testsuites>',
    '',
  ].join('\n');
}

/** Appends numbers to repeated names, compared as written: XML does not allow all characters. */
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

function suite({ about, run, judgements, notes }: Subject, name: string): string[] {
  const time = seconds(run?.duration_s ?? 0);
  const timestamp = run?.started?.slice(0, 19);
  const unique = distinguisher(' #');
  const properties = { about, ...(run && { directory: run.directory, run_id: run.run_id }) };
  return [
    `  <testsuite${attributes({ name, ...counts(judgements), time, ...(timestamp && { timestamp }) })}>`,
    '    <properties>',
    ...Object.entries(properties).map(
      ([key, value]) => `      <property${attributes({ name: key, value })}/>`,
    ),
    '    </properties>',
    // the run's time counts once, for the case `completed`
    ...judgements.flatMap((judgement, i) =>
      testcase(judgement, { name: unique(judgement.id), classname: name, time: i === 0 ? time : seconds(0) }),
    ),
    ...(notes.length === 0 ? [] : [`    <system-out>${xml(notes.join('\n'))}</system-out>`]),
    '  </testsuite>',
  ];
}

function seconds(value: number): string {
  return value.toFixed(3);
}

function testcase({ verdict, sentence }: Judgement, named: Readonly<Record<string, string>>): string[] {
  const head = `    <testcase${attributes(named)}`;
  const element = ELEMENTS[verdict];
  if (element === undefined) return [`${head}/>`];
  const inner =
    element === 'skipped'
      ? `<skipped${attributes({ message: sentence })}/>`
      : `<${element}${attributes({ message: sentence, type: verdict })}>${xml(sentence)}</${element}>`;
  return [`${head}>`, `      ${inner}`, '    </testcase>'];
}

const ELEMENTS: Readonly<Record<Judgement['verdict'], 'failure' | 'error' | 'skipped' | undefined>> = {
  passed: undefined,
  failed: 'failure',
  inconclusive: 'error',
  'not judged': 'skipped',
};

function counts(judgements: readonly Judgement[]) {
  const count = (wanted: string) => judgements.filter(({ verdict }) => ELEMENTS[verdict] === wanted).length;
  return {
    tests: judgements.length,
    failures: count('failure'),
    errors: count('error'),
    skipped: count('skipped'),
  };
}

function attributes(values: Readonly<Record<string, string | number>>): string {
  return Object.entries(values)
    .map(([name, value]) => ` ${name}="${xml(String(value))}"`)
    .join('');
}

/** Replaces characters that XML 1.0 forbids even as references: controls, lone surrogates. */
function legal(text: string): string {
  return text.replaceAll(/(?![\t\n\r])\p{Cc}|\p{Cs}|[\ufffe\uffff]/gu, '\ufffd');
}

function xml(text: string): string {
  return escapeMarkup(legal(text)).replaceAll(/[\n\r\t]/g, character => `&#${character.charCodeAt(0)};`);
}
