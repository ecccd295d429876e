//! What can be drawn, by name. Nothing else of the crate is known here.

/// What an image shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A grey surface that fills the image.
    Texture(TextureClass),
    /// A metal part on a plain background.
    Part(PartClass),
}

/// A surface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TextureClass {
    /// Clouds of filtered noise, as on cast or blasted surfaces.
    Cloudy,
    /// A plain weave of threads.
    Woven,
    /// Metal with fine lines in one direction.
    Brushed,
    /// Cells with dark grooves between them.
    Leather,
    /// Bright knobs on a regular grid.
    Grid,
    /// Columns of knitted stitches.
    Knit,
    /// Wood cut along its grain.
    Wood,
    /// Polished stone of light and dark crystals, drawn out along the rows.
    Granite,
    /// Tiles in a running bond with mortar between them.
    Tiles,
    /// A twill of carbon fibre, two threads over and two under.
    Twill,
}

/// A part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PartClass {
    /// A toothed wheel with a bore and four holes.
    Gear,
    /// A hexagonal plate with a bore and six holes.
    Flange,
    /// An L-shaped plate with three holes.
    Bracket,
}

/// A defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DefectKind {
    /// Thin curved lines, brighter or darker than the surface.
    Scratch,
    /// A brighter or darker area of irregular outline.
    Stain,
    /// A cluster of small round marks.
    Spots,
    /// An area where the texture has nearly no contrast.
    Faded,
    /// An area where the texture runs in another direction and scale.
    Distorted,
    /// One hole of the part is not there.
    MissingHole,
    /// A piece is broken out of the part's outline.
    Bite,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 13] = [
        Self::Texture(TextureClass::Cloudy),
        Self::Texture(TextureClass::Woven),
        Self::Texture(TextureClass::Brushed),
        Self::Texture(TextureClass::Leather),
        Self::Texture(TextureClass::Grid),
        Self::Texture(TextureClass::Knit),
        Self::Texture(TextureClass::Wood),
        Self::Texture(TextureClass::Granite),
        Self::Texture(TextureClass::Tiles),
        Self::Texture(TextureClass::Twill),
        Self::Part(PartClass::Gear),
        Self::Part(PartClass::Flange),
        Self::Part(PartClass::Bracket),
    ];

    /// The kinds of the synthetic benchmark: the ten textures and a part.
    pub const BENCHMARK: [Self; 11] = [
        Self::Texture(TextureClass::Cloudy),
        Self::Texture(TextureClass::Woven),
        Self::Texture(TextureClass::Brushed),
        Self::Texture(TextureClass::Leather),
        Self::Texture(TextureClass::Grid),
        Self::Texture(TextureClass::Knit),
        Self::Texture(TextureClass::Wood),
        Self::Texture(TextureClass::Granite),
        Self::Texture(TextureClass::Tiles),
        Self::Texture(TextureClass::Twill),
        Self::Part(PartClass::Gear),
    ];

    /// The name in lower case, fit for a folder.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Texture(TextureClass::Cloudy) => "cloudy",
            Self::Texture(TextureClass::Woven) => "woven",
            Self::Texture(TextureClass::Brushed) => "brushed",
            Self::Texture(TextureClass::Leather) => "leather",
            Self::Texture(TextureClass::Grid) => "grid",
            Self::Texture(TextureClass::Knit) => "knit",
            Self::Texture(TextureClass::Wood) => "wood",
            Self::Texture(TextureClass::Granite) => "granite",
            Self::Texture(TextureClass::Tiles) => "tiles",
            Self::Texture(TextureClass::Twill) => "twill",
            Self::Part(PartClass::Gear) => "gear",
            Self::Part(PartClass::Flange) => "flange",
            Self::Part(PartClass::Bracket) => "bracket",
        }
    }

    /// A number of its own, never to change: the images of a seed depend on it.
    pub(crate) const fn id(self) -> u8 {
        match self {
            Self::Texture(TextureClass::Cloudy) => 1,
            Self::Texture(TextureClass::Woven) => 2,
            Self::Texture(TextureClass::Brushed) => 3,
            Self::Texture(TextureClass::Leather) => 4,
            Self::Texture(TextureClass::Grid) => 5,
            Self::Part(PartClass::Gear) => 6,
            Self::Part(PartClass::Flange) => 7,
            Self::Part(PartClass::Bracket) => 8,
            Self::Texture(TextureClass::Knit) => 9,
            Self::Texture(TextureClass::Wood) => 10,
            Self::Texture(TextureClass::Granite) => 11,
            Self::Texture(TextureClass::Tiles) => 12,
            Self::Texture(TextureClass::Twill) => 13,
        }
    }

    /// The defects that images of this kind can have.
    pub const fn defects(self) -> &'static [DefectKind] {
        match self {
            Self::Texture(_) => &[
                DefectKind::Scratch,
                DefectKind::Stain,
                DefectKind::Spots,
                DefectKind::Faded,
                DefectKind::Distorted,
            ],
            Self::Part(_) => {
                &[DefectKind::Scratch, DefectKind::Stain, DefectKind::MissingHole, DefectKind::Bite]
            }
        }
    }
}

impl DefectKind {
    /// The name in lower case, fit for a folder.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scratch => "scratch",
            Self::Stain => "stain",
            Self::Spots => "spots",
            Self::Faded => "faded",
            Self::Distorted => "distorted",
            Self::MissingHole => "missing_hole",
            Self::Bite => "bite",
        }
    }
}
