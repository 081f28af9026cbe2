import { type ComponentChildren, createContext } from 'preact';
import { useContext, useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { capital, counted, formatMetric, type Measured } from '../../util/numbers.js';
import type { Fact, RunReport } from '../run-report.js';
import type { SweepReport } from '../sweep-report.js';
import { type Group, type linksFrom, type Standing, statusOf } from './run-list.js';

/** The heading level above the sections, so that a run can be part of another page. */
export const Level = createContext<1 | 3>(1);

type HeadingTag = 'h1' | 'h2' | 'h3' | 'h4' | 'h5';

/** The tag of a heading this many levels below. */
export function useHeading(below: 0 | 1 | 2): HeadingTag {
  return `h${useContext(Level) + below}` as HeadingTag;
}

interface Content {
  readonly children: ComponentChildren;
}

type SectionProps = Content & { readonly title: string; readonly note?: string | undefined };

export function Section({ title, note, children }: SectionProps) {
  const id = useId();
  const Heading = useHeading(1);
  // landmarks need unique names, and other runs on the page have the same sections
  const isWholePage = useContext(Level) === 1;
  return (
    <section class="part" {...(isWholePage && { 'aria-labelledby': id })}>
      <Heading id={id}>{title}</Heading>
      {note !== undefined && <p class="note">{note}</p>}
      {children}
    </section>
  );
}

/** A wide element that scrolls by itself, also by keyboard, so that the page does not. */
export function Scroll({ label, children }: Content & { readonly label: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: else what scrolls could not be reached without a mouse
    <div class="scroll" role="group" aria-label={label} tabIndex={0}>
      {children}
    </div>
  );
}

interface ToggleProps extends Content {
  readonly isOn: boolean;
  set(isOn: boolean): void;
  readonly title?: string;
}

export function Toggle({ isOn, set, title, children }: ToggleProps) {
  return (
    <label title={title}>
      <input type="checkbox" checked={isOn} onChange={event => set(event.currentTarget.checked)} /> {children}
    </label>
  );
}

interface SelectProps {
  readonly label: string;
  readonly value: string | number;
  /** Values with what the reader sees, unless it is the same. */
  readonly options: readonly (readonly [value: string | number, text?: string, isDisabled?: boolean])[];
  change(value: string): void;
}

export function Select({ label, value, options, change }: SelectProps) {
  return (
    <label>
      {label}{' '}
      <select value={value} onChange={event => change(event.currentTarget.value)}>
        {options.map(([value, text = value, isDisabled = false]) => (
          <option key={value} value={value} disabled={isDisabled}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

interface DetailsProps {
  readonly kind: string;
  readonly summary: ComponentChildren;
  children(): ComponentChildren;
}

export function Details({ kind, summary, children }: DetailsProps) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details class={kind} onToggle={event => setOpen(event.currentTarget.open)}>
      <summary>{summary}</summary>
      {isOpen && children()}
    </details>
  );
}

const SIGNS: Readonly<Record<string, string>> = {
  completed: '✓',
  passed: '✓',
  failed: '✕',
  diverged: '✕',
  'gate failed': '✕',
  'no better than trivial': '✕',
  'has not learned': '✕',
  inconclusive: '?',
  'gate inconclusive': '?',
  running: '●',
  interrupted: '❙❙',
  paused: '❙❙',
  killed: '■',
  pruned: '✂',
  better: '▲',
  worse: '▼',
  identical: '=',
  'not distinguishable': '≈',
  'cannot tell': '?',
};

export function Badge({ of }: { readonly of: string }) {
  return (
    <span class={`badge ${of.replaceAll(' ', '-')}`}>
      <span aria-hidden="true">{SIGNS[of] ?? '·'}</span> {of}
    </span>
  );
}

export function Status({ of }: { readonly of: Standing }) {
  return statusOf(of).flatMap((word, i) => [i > 0 && ' ', <Badge key={word} of={word} />]);
}

/** A rounded number, with all digits for programs. */
export function Value({ metric, value }: { readonly metric: string; readonly value: Measured | undefined }) {
  const text = formatMetric(metric, value);
  return typeof value === 'number' ? <data value={String(value)}>{text}</data> : <span>{text}</span>;
}

export function Facts({ title, facts }: { readonly title: string; readonly facts: readonly Fact[] }) {
  if (facts.length === 0) return null;
  return (
    <Section title={title}>
      <dl class="facts">
        {facts.map(({ label, value }) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </Section>
  );
}

export function Linked({ href, children }: Content & { readonly href: string | undefined }) {
  return href === undefined ? <span>{children}</span> : <a href={href}>{children}</a>;
}

/** A dotted name that may wrap after its dots and underscores. */
export function Breakable({ text }: { readonly text: string }) {
  return text.split(/(?<=[._])/).flatMap((part, i) => (i === 0 ? [part] : [<wbr key={i} />, part]));
}

/** Addresses of other views; undefined in a standalone file. */
export const Links = createContext<ReturnType<typeof linksFrom> | undefined>(undefined);

type SortValue = number | string | null | undefined;

export interface Column<Row> {
  readonly name: string;
  readonly title?: ComponentChildren;
  readonly isText?: boolean;
  /** What the reader can sort by; missing values come last in either order. */
  sortBy?(row: Row): SortValue;
  show?(row: Row, i: number): ComponentChildren;
  /** What a group shows and is sorted by. Default: the value that its rows share. */
  summary?(rows: readonly Row[]): Summary;
}

interface Summary {
  readonly value: SortValue;
  readonly text: ComponentChildren;
}

export function field<Row>(name: keyof Row & string, more: Partial<Column<Row>> = {}): Column<Row> {
  return { name, sortBy: row => row[name] as SortValue, ...more };
}

interface TableProps<Row> {
  readonly label: string;
  readonly kind?: string;
  readonly caption?: ComponentChildren;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  keyOf?(row: Row, i: number): string | number;
  classOf?(row: Row): string;
  readonly groups?: readonly Group<Row>[] | undefined;
  readonly most?: number;
}

type TableSectionProps<Row> = Omit<TableProps<Row>, 'label'> & Omit<SectionProps, 'children'>;

export function TableSection<Row>({ title, note, ...table }: TableSectionProps<Row>) {
  if (table.rows.length === 0) return null;
  return (
    <Section title={title} note={note}>
      <Table label={`${title}, a table`} {...table} />
    </Section>
  );
}

interface Order {
  readonly column: string;
  readonly isDown: boolean;
}

export function Table<Row>(props: TableProps<Row>) {
  const { label, kind = 'numbers', caption, columns, rows, groups, most = Number.POSITIVE_INFINITY } = props;
  const [order, setOrder] = useState<Order | null>(null);
  const [isWhole, setWhole] = useState(false);
  const column = columns.find(({ name }) => name === order?.column);
  const sort = <T,>(items: readonly T[], keyFor: (item: T) => SortValue) =>
    column ? sorted(items, keyFor, order?.isDown ?? false) : items;
  const shown = (some: readonly Row[]) => {
    const all = sort(some, row => column?.sortBy?.(row));
    return isWhole ? all : all.slice(0, most);
  };
  const head = ({ name, title = name, isText, sortBy }: Column<Row>) => {
    const direction = order?.column !== name ? 'none' : order.isDown ? 'descending' : 'ascending';
    const next = {
      none: { column: name, isDown: false },
      ascending: { column: name, isDown: true },
      descending: null,
    };
    return (
      <th key={name} scope="col" aria-sort={sortBy && direction} class={isText ? 'text' : undefined}>
        {sortBy ? (
          <button type="button" title={name} onClick={() => setOrder(next[direction])}>
            {title}
            <span aria-hidden="true">{{ none: '', ascending: ' ▲', descending: ' ▼' }[direction]}</span>
          </button>
        ) : (
          title
        )}
      </th>
    );
  };
  const longest = Math.max(...(groups ?? [{ rows }]).map(group => group.rows.length));
  return (
    <>
      <Scroll label={label}>
        <table class={columns.some(({ sortBy }) => sortBy !== undefined) ? `${kind} sortable` : kind}>
          {caption}
          <thead>
            <tr>{columns.map(head)}</tr>
          </thead>
          {groups === undefined ? (
            <tbody>
              <TableRows {...props} rows={shown(rows)} />
            </tbody>
          ) : (
            sort(groups, group => column && summaryOf(column, group.rows).value).map(group => (
              <GroupBody key={group.label} group={group} columns={columns}>
                {() => <TableRows {...props} rows={shown(group.rows)} />}
              </GroupBody>
            ))
          )}
        </table>
      </Scroll>
      {!isWhole && longest > most && (
        <button type="button" class="more" onClick={() => setWhole(true)}>
          Show all {rows.length} rows
        </button>
      )}
    </>
  );
}

function TableRows<Row>({ columns, rows, keyOf = (_, i) => i, classOf }: TableProps<Row>) {
  return rows.map((row, i) => (
    <tr key={keyOf(row, i)} data-row={keyOf(row, i)} class={classOf?.(row)}>
      {columns.map((column, k) => {
        const Cell = k === 0 ? 'th' : 'td';
        return (
          <Cell
            key={column.name}
            {...(k === 0 && { scope: 'row' })}
            data-column={column.name}
            class={column.isText ? 'text' : undefined}
          >
            {shownIn(column, row, i)}
          </Cell>
        );
      })}
    </tr>
  ));
}

function shownIn<Row>({ show, sortBy }: Column<Row>, row: Row, i: number): ComponentChildren {
  return show ? show(row, i) : (sortBy?.(row) ?? '–');
}

interface GroupBodyProps<Row> {
  readonly group: Group<Row>;
  readonly columns: readonly Column<Row>[];
  children(): ComponentChildren;
}

function GroupBody<Row>({ group: { label, rows }, columns, children }: GroupBodyProps<Row>) {
  const [isOpen, setOpen] = useState(false);
  return (
    <tbody data-group={label}>
      <tr class="group">
        <th scope="rowgroup" class="text">
          <button type="button" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
            <span aria-hidden="true">{isOpen ? '▾' : '▸'}</span> {label}
          </button>{' '}
          <small>{counted(rows.length, 'run')}</small>
        </th>
        {columns.slice(1).map(column => (
          <td key={column.name} data-column={column.name} class={column.isText ? 'text' : undefined}>
            {summaryOf(column, rows).text}
          </td>
        ))}
      </tr>
      {isOpen && children()}
    </tbody>
  );
}

/** What a group shows in a column, and is sorted by. */
function summaryOf<Row>(column: Column<Row>, rows: readonly Row[]): Summary {
  if (column.summary) return column.summary(rows);
  const value = column.sortBy?.(rows[0]);
  const isSame = rows.every(row => column.sortBy?.(row) === value);
  return isSame ? { value, text: shownIn(column, rows[0], 0) } : { value: null, text: '' };
}

function sorted<T>(items: readonly T[], keyFor: (item: T) => SortValue, isDown: boolean): readonly T[] {
  const sign = isDown ? -1 : 1;
  return items.toSorted((a, b) => {
    const [x, y] = [keyFor(a) ?? null, keyFor(b) ?? null];
    if (x === null || y === null) return Number(x === null) - Number(y === null);
    if (typeof x === 'number' && typeof y === 'number') return sign * (x - y);
    return sign * (String(x) < String(y) ? -1 : Number(String(x) > String(y)));
  });
}

/** True in a page that must stay responsive: what is new is then drawn part by part. */
export const InParts = createContext(false);

/** Draws its children one per task, if the page must stay responsive. */
export function Parts({ children }: { readonly children: ComponentChildren }) {
  const parts = [children].flat();
  const isGradual = useContext(InParts);
  const [drawn, draw] = useState(1);
  useEffect(() => {
    if (!isGradual || drawn >= parts.length) return;
    const timer = setTimeout(() => draw(drawn + 1));
    return () => clearTimeout(timer);
  }, [isGradual, drawn, parts.length]);
  return isGradual ? parts.slice(0, drawn) : parts;
}

export function useWidth<E extends Element>(start: number) {
  const ref = useRef<E>(null);
  const [width, setWidth] = useState(start);
  useLayoutEffect(() => {
    const element = ref.current;
    if (element === null) return;
    const measure = () => {
      if (element.clientWidth > 0) setWidth(element.clientWidth);
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return { ref, width };
}

export function Tags({ tags }: { readonly tags: readonly string[] }) {
  return tags.flatMap((tag, i) => [
    i > 0 && ' ',
    <span key={tag} class="label">
      {tag}
    </span>,
  ]);
}

interface Tile {
  readonly name: string;
  readonly title: string;
  readonly metric: string;
  readonly value: Measured;
  readonly more?: string | null;
}

interface HeadProps {
  readonly kind: 'Run' | 'Sweep';
  readonly report: RunReport | SweepReport;
  readonly tiles: readonly (Tile | null | undefined)[];
  readonly notes: readonly (string | null)[];
}

export function Head({ kind, report, tiles, notes }: HeadProps) {
  const { id, name, tags, note, failures } = report;
  const Heading = useHeading(0);
  const { description = null, message = null } = report.kind === 'run' ? report : {};
  const problems = [message ?? [], failures].flat();
  return (
    <header>
      <p class="eyebrow">
        {kind} <span class="id">{id}</span>
      </p>
      <Heading>
        {name} <Status of={report} />
      </Heading>
      {problems.length > 0 && (
        <div class="alert" role="note">
          {problems.map(text => (
            <p key={text}>{capital(text)}</p>
          ))}
        </div>
      )}
      {description !== null && <p class="lead">{description}</p>}
      {tags.length > 0 && (
        <p class="tags">
          <Tags tags={tags} />
        </p>
      )}
      {note !== null && <p class="remarks">{note}</p>}
      <dl class="tiles">
        {tiles.map(
          tile =>
            tile && (
              <div key={tile.name} data-metric={tile.name}>
                <dt>{tile.title}</dt>
                <dd>
                  <Value metric={tile.metric} value={tile.value} />
                  {tile.more && <small> {tile.more}</small>}
                </dd>
              </div>
            ),
        )}
      </dl>
      {notes.map(text => text && <p class="note">{text}</p>)}
    </header>
  );
}
