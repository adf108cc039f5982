// What the pages do beyond plain HTML; each works without it. The list of runs looks for news now and then and keeps focus and place.
"use strict";

function refresh(list) {
  const seconds = Number(list.dataset.refresh);
  let shown = list.innerHTML;
  const look = async () => {
    let news = null;
    if (!document.hidden && !list.contains(document.activeElement)) {
      try {
        const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "error" });
        news = answer.ok ? new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(list.id) : null;
      } catch { /* the archive is away for a moment: the next look may find it */ }
    }
    if (news && news.innerHTML !== shown && !list.contains(document.activeElement)) {
      shown = news.innerHTML;
      list.replaceChildren(...document.adoptNode(news).childNodes);
    }
    setTimeout(look, seconds * 1000);
  };
  setTimeout(look, seconds * 1000);
}

for (const list of document.querySelectorAll("[data-refresh]")) refresh(list);
