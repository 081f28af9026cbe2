/** Starts the page: the document is embedded; nothing is fetched. */
import { type ComponentChild, render } from 'preact';

/** Draws the document; `html.ts` ensures that it is of the kind that `view` draws. */
export function show<Document>(view: (report: Document) => ComponentChild): void {
  const place = document.querySelector('main');
  const source = document.querySelector('#report')?.textContent;
  if (place === null || !source) return;
  place.replaceChildren();
  render(view(JSON.parse(source) as Document), place);
}
