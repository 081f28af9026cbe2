/** The width of an element, updated when the window changes. */
import { useLayoutEffect, useRef, useState } from 'preact/hooks';

/** @param start width until the element is on the page */
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
