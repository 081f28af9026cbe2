/** The page's beginning: the document is in the page itself; nothing is fetched. */
import { type ComponentChild, render } from 'preact';

/** Draws the document, which is of the kind that `view` draws, as `html.ts` sees to. */
export function show<Document>(view: (report: Document) => ComponentChild): void {
  const place = document.querySelector('main');
  const source = document.querySelector('#report')?.textContent;
  if (place === null || !source) return;
  place.replaceChildren();
  render(view(JSON.parse(source) as Document), place);
}
