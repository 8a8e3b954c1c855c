"""A portrait of a rendered head: the picture and the truth about it, as of a drawn one."""

from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

from zoo.drawn_faces import Person, Portrait, Scene
from zoo.drawn_faces.drawing import labels

from . import hair, wear
from .assets import PARTS, load_base_mesh
from .camera import HEAD_HEIGHT, Pose, develop, draw_backdrop, rotate
from .light import DIRECTIONS, choose_light, measure_visibility, spread_directions, trace_shadow
from .raster import keep_nearest, rasterise, trace_hairs
from .shape import Shape, express, make_shape
from .skin import Looks, choose_looks, paint_body, paint_eye

SAMPLES = 1.5
"""Per pixel, across and down."""
BODY, LEFT_EYE, RIGHT_EYE, *_ = range(len(PARTS))
TEETH, TONGUE, BROWS = (3, 4), 5, -1
EYE_RADIUS = np.array([0, 0, 0.14])
LASHES = tuple(number for number, part in enumerate(PARTS) if "lashes" in part)


@dataclass(frozen=True, eq=False)
class Model:
    """A person at rest, with what no scene changes."""

    shape: Shape
    looks: Looks
    strands: hair.Strands | None


@lru_cache(maxsize=2)
def make_model(person: Person, seed: int) -> Model:
    shape = make_shape(person, seed)
    looks = choose_looks(person, shape.years, seed)
    return Model(shape, looks, hair.grow_hair(person, looks, shape.points, seed))


def render_portrait(person: Person, scene: Scene, side_px: int, seed: int) -> Portrait:
    """Render a person in a scene; seed: of what their words leave open, of the person. The same arguments give the same
    pixels on one machine.
    """
    rng = np.random.default_rng([seed, scene.texture, 110])
    model = make_model(person, seed)
    sheet = Sheet(person, scene, model, round(side_px * SAMPLES), rng)
    image = develop(sheet.finish(), rng, side_px)
    middles = ((np.arange(side_px) + 0.5) * SAMPLES).astype(int)
    landmarks = sheet.find_landmarks() / SAMPLES
    return Portrait(image, sheet.labels[np.ix_(middles, middles)], landmarks, sheet.find_box() / SAMPLES)


class Sheet:
    """A picture in the making, `side` samples across."""

    def __init__(self, person: Person, scene: Scene, model: Model, side: int, rng: np.random.Generator):
        self.person, self.scene, self.model, self.side = person, scene, model, side
        self.mesh = load_base_mesh()
        self.points = express(model.shape.points, scene.expression, scene.texture)
        self.pose = _choose_pose(scene, side, rng)
        self.light = choose_light(rng, scene.light, int(np.sign(scene.light_side)))
        self.gaze = _choose_gaze(scene, rng)
        hidden = scene.texture
        rest_normals = find_normals(self.points, self.mesh.triangles)
        self.clothes = wear.choose_clothes(scene, hidden)
        self.points = self.clothes.lay_over(self.points, rest_normals)
        rest_normals = find_normals(self.points, self.mesh.triangles)
        self.pieces = [
            *wear.put_on_collar(scene, self.points, hidden),
            *wear.put_on_hat(scene, self.points, hidden),
            *wear.put_on_glasses(person, self.points, self.find_eyes(), int(scene.texture) % 3 + hash_seed(model)),
        ]
        self.strands = self._collect_strands()
        self.background = draw_backdrop(rng, side)
        self.labels = np.zeros((side, side), np.uint8)
        self._draw(rest_normals, rng)

    def finish(self) -> np.ndarray:
        """Linear light, with the face as bright as a camera would have it."""
        return self.picture * self.exposure

    def find_eyes(self) -> np.ndarray:
        """Middles of the eyes at rest [2, 3], the left of the picture first."""
        return np.stack([self.points[_list_part(part)].mean(axis=0) for part in (RIGHT_EYE, LEFT_EYE)])

    def find_landmarks(self) -> np.ndarray:
        eyes = self.find_eyes() + EYE_RADIUS
        places = np.concatenate([eyes, self.points[list(_find_marks())]])
        return self.pose.project(self.pose.turn(places, np.ones(5)))[:, :2]

    def find_box(self) -> np.ndarray:
        face = _list_face()
        outline = self.pose.project(self.pose.turn(self.points[face], self.mesh.follow[face]))[:, :2]
        return np.concatenate([outline.min(axis=0), outline.max(axis=0)]).clip(0, self.side).astype(np.float32)

    def _collect_strands(self) -> list[tuple[hair.Strands, np.ndarray, int]]:
        person, looks, seed = self.person, self.model.looks, hash_seed(self.model)
        strands = [(hair.grow_brows(person, looks, self.points, seed), looks.brows, BROWS)]
        beard = hair.grow_beard(person, looks, self.points, seed)
        if beard:
            strands.append((beard, looks.hair * 0.9, labels.SKIN))
        if self.model.strands:
            grown = self.model.strands
            if self.scene.hat in wear.HATS and self.scene.hat not in ("crown", "party hat"):
                grown = _flatten(grown, self.scene.hat)
            strands.append((_thin_out(grown, self.scene.size), looks.hair, labels.HAIR))
        return strands

    def _draw(self, rest_normals: np.ndarray, rng: np.random.Generator) -> None:
        mesh, pose, side = self.mesh, self.pose, self.side
        world = pose.turn(self.points, mesh.follow)
        extra = [pose.turn(piece.points, piece.follow) for piece in self.pieces]
        starts = np.cumsum([len(world), *(len(points) for points in extra)])
        triangles = [mesh.triangles[~np.isin(mesh.parts, LASHES)]]
        for piece, start in zip(self.pieces, starts, strict=False):
            triangles += [piece.triangles + start, piece.triangles[:, ::-1] + start]
        owners = np.repeat(np.arange(len(triangles)), [len(part) for part in triangles])
        solid, everything = np.concatenate(triangles), np.concatenate([world, *extra])
        seen = rasterise(pose.project(everything), solid, side)
        hairs = [
            (pose.turn(grown.points.reshape(-1, 3), _follow_hair(grown)).reshape(grown.points.shape), grown, *looks)
            for grown, *looks in self.strands
        ]
        casting = np.concatenate([places.reshape(-1, 3) for places, *_ in hairs])
        self.sun = (
            trace_shadow(everything, solid, self.light.sun, 320, -2.2, casting) if self.light.sun_colour.any() else None
        )
        self.albedo, self.shade = np.zeros((side * side, 3), np.float32), np.zeros((side * side, 3), np.float32)
        self.shine = np.zeros((side * side, 3), np.float32)
        self.depth = np.full(side * side, np.inf, np.float32)
        self.skin = np.zeros(side * side, np.float32)
        self.mark = np.zeros(side * side, np.uint8)
        self._shade_solid(seen, solid, owners, world, rest_normals, everything, starts)
        self._shade_lashes(world)
        self._shade_hair(hairs)
        self._compose(rng)

    def _shade_solid(self, seen, solid, owners, world, rest_normals, everything, starts) -> None:
        mesh, person, looks = self.mesh, self.person, self.model.looks
        tri, owner = solid[seen.triangles], owners[seen.triangles]
        shares = seen.shares.astype(np.float32)
        places = mix(everything, tri, shares)
        towards = normalise(np.array([0, 0, self.pose.distance]) - places)
        normals, arriving = self._light_vertices(world, rest_normals, everything, starts, solid)
        normal = normalise(mix(normals, tri, shares))
        irradiance = mix(arriving, tri, shares)
        albedo, gloss = np.zeros((len(tri), 3), np.float32), np.zeros(len(tri), np.float32)
        label, skin = np.zeros(len(tri), np.uint8), np.zeros(len(tri), np.float32)
        kept = np.flatnonzero(~np.isin(mesh.parts, LASHES))
        number = np.where(owner == 0, seen.triangles, 0)
        part = np.where(owner == 0, mesh.parts[kept][number], -1)
        body = part == BODY
        rest = mix(mesh.points, tri[body], shares[body])
        corners = (mesh.corners[kept][number[body]] * shares[body][..., None]).sum(axis=1)
        albedo[body], gloss[body], label[body] = paint_body(person, looks, rest, corners, self.model.shape.years)
        skin[body] = 1
        below = self.clothes.measure(rest)
        dressed = np.flatnonzero(body)[below > 0]
        albedo[dressed], gloss[dressed] = self.clothes.paint(rest[below > 0], below[below > 0]), 0.1
        label[dressed], skin[dressed] = labels.CLOTH, 0
        for eye, mark in ((RIGHT_EYE, labels.LEFT_EYE), (LEFT_EYE, labels.RIGHT_EYE)):
            chosen = part == eye
            if chosen.any():
                albedo[chosen], normal[chosen] = self._paint_eye(eye, mix(self.points, tri[chosen], shares[chosen]))
                gloss[chosen], label[chosen] = -1, mark
        teeth = np.isin(part, TEETH)
        albedo[teeth], gloss[teeth], label[teeth] = (0.62, 0.56, 0.46), 0.8, labels.MOUTH
        tongue = part == TONGUE
        albedo[tongue], gloss[tongue], label[tongue] = (0.35, 0.12, 0.11), 0.8, labels.MOUTH
        self._paint_pieces(owner, tri, shares, starts, albedo, gloss, label)
        facing = (normal * towards).sum(axis=1)
        flipped = (facing < 0) & (owner > 0)
        normal[flipped] *= -1
        sun = self._shine_sun(places, normal)
        pixels = seen.pixels
        self.albedo[pixels], self.shade[pixels] = albedo, irradiance + sun
        self.shine[pixels] = self._reflect(normal, towards, sun, irradiance, gloss)
        self.depth[pixels], self.mark[pixels], self.skin[pixels] = seen.depths, label, skin

    def _paint_eye(self, part: int, rest: np.ndarray):
        used = self.points[_list_part(part)]
        centre = used.mean(axis=0) - (0, 0, 0.0)
        out = normalise(rest - centre)
        forward = normalise(self.gaze)
        away = np.arccos((out @ forward).clip(-1, 1))
        right = normalise(np.cross((0, 1, 0), forward))
        around = np.arctan2(out @ np.cross(forward, right), out @ right)
        follow = np.ones(len(rest))
        return paint_eye(self.model.looks, away, around, out[:, 1]), self.pose.turn_normals(out, follow)

    def _paint_pieces(self, owner, tri, shares, starts, albedo, gloss, label) -> None:
        for number, piece in enumerate(self.pieces):
            chosen = (owner == 2 * number + 1) | (owner == 2 * number + 2)
            if chosen.any():
                albedo[chosen] = mix(piece.colours, tri[chosen] - starts[number], shares[chosen])
                gloss[chosen], label[chosen] = piece.gloss, piece.label

    def _light_vertices(self, world, rest_normals, everything, starts, solid):
        """Normals and light of the sky and lamps that comes to every vertex, with the shadows of the bare head."""
        directions, visible = spread_directions(), measure_visibility()
        follow = self.mesh.follow
        head = self.light.look(directions @ (self.pose.body @ self.pose.head).T.astype(np.float32))
        body = self.light.look(directions @ self.pose.body.T.astype(np.float32))
        facing = (rest_normals.astype(np.float32) @ directions.T).clip(0, None) * visible
        share = follow[:, None].astype(np.float32)
        arriving = share * (facing @ head) + (1 - share) * (facing @ body)
        normals = [find_normals(world, self.mesh.triangles)]
        arrivals = [arriving * (4 / len(directions))]
        for number, piece in enumerate(self.pieces):
            points = everything[starts[number] : starts[number] + len(piece.points)]
            normal = find_normals(points, piece.triangles)
            normal *= np.sign((normal * (points - points.mean(axis=0))).sum(axis=1, keepdims=True) + 1e-9)
            normals.append(normal)
            arrivals.append(self._look_around(normal.astype(np.float32)))
        return np.concatenate(normals), np.concatenate(arrivals).astype(np.float32)

    def _look_around(self, normal: np.ndarray) -> np.ndarray:
        directions = spread_directions()
        return ((normal @ directions.T).clip(0, None) @ self.light.look(directions)) * (4 / DIRECTIONS)

    def _shine_sun(self, places, normal) -> np.ndarray:
        if self.sun is None:
            return np.zeros((len(places), 3), np.float32)
        facing = ((normal @ self.light.sun + 0.08) / 1.08).clip(0, None)
        lit = self.sun(places + normal * 0.03) * facing
        return (lit[:, None] * self.light.sun_colour).astype(np.float32)

    def _reflect(self, normal, towards, sun, irradiance, gloss) -> np.ndarray:
        """Shine of skin and cloth, and the sharp one of eyes, whose gloss is -1."""
        cosine = (normal * towards).sum(axis=1, keepdims=True).clip(0.02, 1)
        mirror = 2 * cosine * normal - towards
        fresnel = 0.03 + 0.5 * (1 - cosine) ** 5
        mean = self.light.above.mean() + self.light.below.mean() + 0.1
        open_ = (irradiance.mean(axis=1, keepdims=True) / (2 * mean)).clip(0, 1)
        soft = self.light.look(mirror, 9.0) * fresnel * open_
        halfway = normalise(towards + self.light.sun)
        peak = (normal * halfway).sum(axis=1, keepdims=True).clip(0, 1) ** 28
        shine = gloss[:, None] * (soft + 0.16 * peak * sun)
        eye = gloss < 0
        if eye.any():
            sharp = self.light.look(mirror[eye], 300.0) * 0.06 * open_[eye] ** 0.5
            spark = (normal[eye] * halfway[eye]).sum(axis=1, keepdims=True).clip(0, 1) ** 900
            shine[eye] = sharp + 6 * spark * (sun[eye] > 0.01) * self.light.sun_colour
        return shine.astype(np.float32)

    def _shade_lashes(self, world) -> None:
        chosen = np.isin(self.mesh.parts, LASHES)
        triangles = self.mesh.triangles[chosen]
        seen = rasterise(self.pose.project(world), triangles, self.side, culled=False)
        front = seen.depths < self.depth[seen.pixels] + 0.01
        pixels = seen.pixels[front]
        strength = 0.75 if self.person.kind == "woman" else 0.45
        self.albedo[pixels] *= 1 - strength
        self.shine[pixels] *= 1 - strength

    def _shade_hair(self, hairs) -> None:
        side = self.side
        parts = [trace_hairs(self.pose.project(places), side) for places, *_ in hairs]
        pixels, strand, part, share, depths = (np.concatenate(column) for column in zip(*parts, strict=True))
        which = np.repeat(np.arange(len(parts)), [len(one[0]) for one in parts])
        front = np.flatnonzero(depths < self.depth[pixels] + 0.012)
        nearest = front[keep_nearest(pixels[front], depths[front], side)]
        wide = np.array([grown.width for _, grown, *_ in hairs])[which[nearest]] * self.pose.scale / self.pose.distance
        # A hair of several pixels is as many copies of its line.
        copies = [(0, 0, 0.0), (1, 0, 1.2), (0, 1, 1.6), (1, 1, 2.4), (-1, 0, 3.2), (0, -1, 4.0)]
        rows = [nearest[(wide >= least) & (pixels[nearest] % side + x < side)] for x, _, least in copies]
        moved = np.concatenate([pixels[row] + y * side + x for row, (x, y, _) in zip(rows, copies, strict=True)])
        rows = np.concatenate(rows)
        inside = np.flatnonzero((moved >= 0) & (moved < side * side))
        inside = inside[depths[rows[inside]] < self.depth[moved[inside]] + 0.012]
        inside = inside[keep_nearest(moved[inside], depths[rows[inside]], side)]
        for number, (places, grown, colour, label) in enumerate(hairs):
            chosen = inside[which[rows[inside]] == number]
            row, place = rows[chosen], moved[chosen]
            if len(row):
                self._light_hair(
                    places, grown.shades, colour, label, place, depths[row], strand[row], part[row], share[row]
                )

    def _light_hair(self, places, shades, colour, label, pixels, depths, strand, part, share) -> None:
        start, end = places[strand, part], places[strand, part + 1]
        along = normalise(end - start)
        place = start + share[:, None] * (end - start)
        towards = normalise(np.array([0, 0, self.pose.distance]) - place)
        centre = self.pose.turn(np.array([[0, 7.3, 0.45]]), np.ones(1))[0]
        out = normalise(place - centre)
        out = normalise(out - (out * along).sum(axis=1, keepdims=True) * along * 0.6)
        grown = (part + share) / (places.shape[1] - 1)
        whole = label == labels.HAIR
        rootward = (0.45 + 0.55 * (grown * 3).clip(0, 1)) if whole else (0.7 + 0.3 * grown)
        arriving = self._look_around(out.astype(np.float32)) * rootward[:, None] * 0.9
        shine = np.zeros_like(arriving)
        lit = self.sun(place + 0.05 * out)[:, None] if self.sun is not None else 0
        for axis, lamp in [(self.light.sun, self.light.sun_colour * lit)] + [
            (axis, c * 0.35 * rootward[:, None]) for axis, c in zip(self.light.axes, self.light.colours, strict=True)
        ]:
            cosine = along @ axis
            sine = np.sqrt((1 - cosine**2).clip(0, 1))[:, None]
            wrap = (0.35 + 0.65 * (out @ axis)).clip(0, 1)[:, None]
            halfway = normalise(towards + axis)
            tilt = (along * halfway).sum(axis=1)
            first = np.sqrt((1 - (tilt + 0.06) ** 2).clip(0, 1))[:, None] ** 70
            second = np.sqrt((1 - (tilt - 0.10) ** 2).clip(0, 1))[:, None] ** 22
            if axis is self.light.sun:
                arriving = arriving + sine * wrap * lamp
            shine += wrap * lamp * (0.10 * first + 0.9 * second * colour * 0.6)
        albedo = colour * shades[strand][:, None] * (0.9 + 0.35 * grown[:, None])
        self.albedo[pixels], self.shade[pixels], self.shine[pixels] = albedo, arriving, shine * (1.0 if whole else 0.3)
        self.depth[pixels], self.skin[pixels] = depths, 0
        if label == BROWS:
            mark = np.where(place[:, 0] < self.pose.turn(np.array([[0, 7.4, 1.4]]), np.ones(1))[0, 0], 2, 3)
            left = self.mark[pixels]
            self.mark[pixels] = np.where((left == labels.HAIR) | (left == 0), left, mark)
        else:
            keep = np.isin(self.mark[pixels], (labels.UPPER_LIP, labels.LOWER_LIP)) & (label == labels.SKIN)
            neck = (self.mark[pixels] == labels.NECK) & (label == labels.SKIN) & (grown < 0.3)
            self.mark[pixels] = np.where(keep | neck, self.mark[pixels], label)

    def _compose(self, rng: np.random.Generator) -> None:
        import cv2

        side = self.side
        square = (side, side)
        pixel = self.pose.distance / self.pose.scale
        shade, skin = self.shade.reshape(*square, 3), self.skin.reshape(square)
        soft = np.empty_like(shade)
        for channel, reach in enumerate((0.055, 0.022, 0.014)):
            sigma = max(reach / pixel, 0.3)
            weight = cv2.GaussianBlur(skin, (0, 0), sigma)
            soft[..., channel] = cv2.GaussianBlur(shade[..., channel] * skin, (0, 0), sigma) / np.maximum(weight, 1e-3)
        shade = np.where(skin[..., None] > 0, soft, shade)
        depth = self.depth.reshape(square)
        filled = np.isfinite(depth)
        near = np.where(filled, depth, 0)
        dark = np.zeros(square, np.float32)
        for reach, strength in ((0.05, 3.0), (0.16, 1.3)):
            sigma = max(reach / pixel, 0.5)
            weight = cv2.GaussianBlur(filled.astype(np.float32), (0, 0), sigma)
            smooth = cv2.GaussianBlur(near, (0, 0), sigma) / np.maximum(weight, 1e-3)
            dark += strength * (near - smooth).clip(0, 0.4)
        open_ = np.exp(-dark)[..., None] ** np.array([0.8, 1.0, 1.05], np.float32)
        lit = (self.albedo.reshape(*square, 3) * shade + self.shine.reshape(*square, 3)) * open_
        covered = cv2.GaussianBlur(filled.astype(np.float32), (0, 0), 0.6)[..., None]
        face = np.isin(self.mark.reshape(square), (labels.SKIN, labels.NOSE)) & (skin > 0)
        bright = float(np.median(lit[face].mean(axis=1))) if face.any() else 0.2
        own = float(self.model.looks.skin.mean())
        wanted = own**0.75 * 0.55 * np.exp(rng.normal(0, 0.3))
        self.exposure = np.float32(wanted / max(bright, 1e-3))
        behind = self.background * np.float32(rng.uniform(0.3, 1.1) / self.exposure)
        self.picture = np.where(filled[..., None], lit * covered + behind * (1 - covered), behind)
        self.labels = np.where(filled, self.mark.reshape(square), 0).astype(np.uint8)


def find_normals(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Of vertices [V, 3], the mean of their triangles'."""
    corners = points[triangles]
    faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros((len(points), 3))
    for axis in range(3):
        normals[:, axis] = np.bincount(triangles.ravel(), np.repeat(faces[:, axis], 3), len(points))
    return normals / (np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12)


def mix(values: np.ndarray, corners: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Values of vertices [V, C] at places in triangles with corners [N, 3], by their shares [N, 3]."""
    mixed = values[corners[:, 0]] * shares[:, :1]
    for corner in (1, 2):
        mixed += values[corners[:, corner]] * shares[:, corner : corner + 1]
    return mixed.astype(np.float32)


def normalise(vectors: np.ndarray) -> np.ndarray:
    return vectors / (np.linalg.norm(vectors, axis=-1, keepdims=True) + 1e-9)


def hash_seed(model: Model) -> int:
    return int(model.looks.offset * 1e6)


@cache
def _list_part(part: int) -> np.ndarray:
    mesh = load_base_mesh()
    return np.unique(mesh.triangles[mesh.parts == part])


@cache
def _list_face() -> np.ndarray:
    mesh = load_base_mesh()
    x, y, z = mesh.points.T
    body = np.zeros(len(x), bool)
    body[_list_part(BODY)] = True
    return np.flatnonzero(body & (y > 6.17) & (y < 7.75) & (z > 0.55) & (abs(x) < 0.8) & (mesh.follow > 0.8))


@cache
def _find_marks() -> tuple[int, int, int]:
    """Vertices of the nose's tip and of the corners of the mouth."""
    skin = _list_part(BODY)
    points = load_base_mesh().points[skin]
    wanted = ((0, 6.97, 1.75), (-0.25, 6.61, 1.42), (0.25, 6.61, 1.42))
    return tuple(int(skin[np.linalg.norm(points - place, axis=1).argmin()]) for place in wanted)


def _choose_pose(scene: Scene, side: int, rng: np.random.Generator) -> Pose:
    share = rng.uniform(0.0, 0.5)
    body = rotate(scene.yaw * share + rng.normal(0, 6), rng.normal(0, 3), rng.normal(0, 3))
    head = body.T @ rotate(scene.yaw, scene.pitch, scene.roll)
    distance = float(np.exp(rng.uniform(np.log(8), np.log(45))))
    scale = scene.size * side / HEAD_HEIGHT * distance
    return Pose(head, body, distance, scale, np.array(scene.centre) * side)


def _choose_gaze(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """At rest: mostly into the camera, as far as eyes can turn."""
    follow = rng.choice((0.0, 0.8), p=(0.35, 0.65))
    yaw = np.clip(scene.gaze[0] * 16 - follow * scene.yaw, -28, 28)
    pitch = np.clip(scene.gaze[1] * 10 - follow * scene.pitch, -16, 16)
    return rotate(yaw, pitch, 0) @ (0, 0, 1)


def _follow_hair(grown: hair.Strands) -> np.ndarray:
    """How far points of hair follow a turn of the head: those on the shoulders hardly."""
    return ((grown.points[..., 1].ravel() - 5.6) / 0.9).clip(0, 1)


def _thin_out(grown: hair.Strands, size: float) -> hair.Strands:
    """Fewer and wider strands for a head that is small in the picture."""
    share = float(np.clip(size / 0.6, 0.35, 1))
    kept = np.random.default_rng(len(grown.points)).random(len(grown.points)) < share
    return hair.Strands(grown.points[kept], grown.shades[kept], grown.width / share)


def _flatten(grown: hair.Strands, hat: str) -> hair.Strands:
    """Hair under a hat: what stands higher than its rim is not seen."""
    rim = 7.38 + wear.HATS[hat].reshape(2, -1)[1, 0] * 0.74 + 0.12
    low = grown.points[:, 0, 1] < rim
    points = grown.points[low].copy()
    high = points[..., 1] > rim
    points[high] = np.repeat(points[:, :1], points.shape[1], axis=1)[high]
    return hair.Strands(points, grown.shades[low], grown.width)
