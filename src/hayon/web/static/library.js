// Files that are uploaded on the page of one's files stand there at once. The page works without it.

const { takeFiles } = await import(`./uploading.js${new URL(import.meta.url).search}`);

const zone = document.querySelector("[data-uploads]");
const tiles = document.querySelector("[data-tiles]");

takeFiles(zone, {
  area: document.body,
  place: "library",
  arrived(tile, line) {
    line.remove();
    document.querySelector("[data-empty]")?.remove();
    tiles.prepend(tile);
  },
});
